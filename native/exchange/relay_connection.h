#pragma once

#include "tls/streams.h"
#include "upstream/target.h"
#include "wire/proxy_header.h"

namespace flatproxy {

/// What comes is passed on as it comes, and the other side is not kept waiting for more of it.
inline void prepare(tcp::Connection& c) {
  c.set(tcp::kNoDelay);
  c.set(tcp::kAckTails);
  c.set(tcp::kAnswersSoon);
}

inline tcp::ByteQueue& incoming(tcp::Connection& c) { return tls::Streams::received(c); }
inline bool has_closed(const tcp::Connection& c) { return tls::Streams::peer_has_closed(c); }
inline uint32_t unacknowledged(const tcp::Connection& c) { return tls::Streams::unacknowledged(c); }

/// The ends of a client's connection, as a PROXY header would say them.
inline wire::ProxyHeader ends_of(const tcp::Connection& c) {
  return {false, c.tuple.destination, c.tuple.source, c.tuple.destination_port, c.tuple.source_port};
}

/// Who has opened a listener's connection.
inline RelayClient client_of(const tcp::Connection& c) {
  return {c.listener, ends_of(c), c.tuple.destination, c.path[0], c.path[1]};
}

/// Of one that was reset we may not have been told yet: it must not pass for one that has said all.
inline bool ended_in_order(const tcp::Connection& c) {
  return c.state == tcp::State::closed && c.end == tcp::End::closed && (c.attached == nullptr || has_closed(c));
}

/// Takes a PROXY header off the front of what has come. @param ends becomes what it says, if it speaks for somebody
wire::ProxyParse take_proxy_header(tls::Streams& streams, tcp::Connection& c, wire::ProxyHeader& ends);

/// Sends a PROXY header of version 1 or 2. False: there were no buffers for it.
bool send_proxy_header(tls::Streams& streams, tcp::Connection& c, const wire::ProxyHeader& ends, uint8_t version);

}  // namespace flatproxy
