#pragma once

#include <cstdint>

#include "tcp/context.h"

namespace flatproxy::tcp {

/// A segment to be sent, or several in one frame.
struct Outgoing {
  Sequence sequence = 0;
  uint8_t flags = 0;         ///< wire::TcpFlag; ACK is added once there is something to acknowledge
  uint32_t payload = 0;      ///< bytes, more than a segment's: a large frame
  Place place = {};          ///< of the first byte of...
  uint32_t skip = 0;         ///< ...what lies so many bytes in front of the payload
  bool ecn_capable = false;  ///< ECT(0): new data only (RFC 3168 section 6.1.5)
};

/// How many of the n bytes from a place on fit into one frame: it may have so many pieces only.
uint32_t attachable(Place place, uint32_t n);

/// Sends a segment of an open connection, with what it has to say: the acknowledgment, the window, timestamps,
/// selective acknowledgments. False: there are no buffers; nothing has changed.
bool emit(Context& context, Connection& c, const Outgoing& out);

/// Sends the SYN or the SYN and ACK.
bool emit_syn(Context& context, Connection& c);

/// Sends a reset (RFC 9293 section 3.5.2).
void emit_reset(Context& context, Connection& c, Sequence sequence, bool acknowledges);

/// The MSS option for an MTU, and what is left of it for payload beside the options of every segment.
uint16_t mss_of_mtu(uint16_t mtu, uint8_t family);

}  // namespace flatproxy::tcp
