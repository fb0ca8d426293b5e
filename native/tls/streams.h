#pragma once

#include <memory>
#include <vector>

#include "stats/tls_counters.h"
#include "tcp/stack.h"
#include "tls/session.h"

namespace flatproxy::tls {

/// The bytes of a lane's connections, as those who own them write and read them: over TLS, where a connection is
/// secured, else as TCP carries them. What is written over TLS is sealed together, in flush(), so that what belongs
/// together shares records.
class Streams {
 public:
  /// @param counters by listener
  Streams(tcp::Stack& stack, Buffers& buffers, TlsCounters* counters)
      : stack_(stack), buffers_(buffers), counters_(counters) {}

  tcp::Connection* connect(const Tuple& tuple, const tcp::Stack::Opening& opening) {
    return stack_.connect(tuple, opening);
  }

  /// What a client's connection carries from here on is TLS, in which this side is the server. Its owner is told when
  /// it is open, or has failed. False: too many handshakes are under way, and it is to be aborted.
  bool secure(tcp::Connection& c, std::shared_ptr<const ServerContext> context);
  /// Whether the bytes of its owner may go.
  static bool is_open(const tcp::Connection& c) {
    return c.attached == nullptr || session_of(c).stage() == Session::Stage::open;
  }
  /// Its handshake has taken too long: to be counted; its owner aborts it next.
  void give_up(const tcp::Connection& c) { count(c, Failure::late); }
  /// Something has happened to a secured connection, of which its owner is told next.
  void take_in(tcp::Connection& c);

  /// What has come and was not taken.
  static tcp::ByteQueue& received(tcp::Connection& c) {
    return c.attached == nullptr ? c.received : session_of(c).plain;
  }
  /// Bytes were taken out of it.
  void taken(tcp::Connection& c) {
    if (c.attached == nullptr) [[likely]]
      return stack_.taken(c);
    take_more(c);
  }
  /// The other side sends no more, and has said so.
  static bool peer_has_closed(const tcp::Connection& c) {
    return c.attached == nullptr ? c.peer_closed() : session_of(c).peer_has_closed;
  }
  /// Bytes that the other side has not acknowledged.
  static uint32_t unacknowledged(const tcp::Connection& c) {
    return c.to_send.bytes() + (c.attached != nullptr ? session_of(c).pending.bytes() : 0);
  }

  /// See Stack::send().
  void send(tcp::Connection& c, tcp::ByteQueue&& data) {
    if (c.attached == nullptr) [[likely]]
      return stack_.send(c, std::move(data));
    send_sealed(c, std::move(data));
  }
  uint32_t send(tcp::Connection& c, const uint8_t* bytes, uint32_t n);
  bool may_send(tcp::Connection& c) {
    // What could not be sealed waits for buffers.
    if (c.attached != nullptr && session_of(c).pending.bytes() > kMostPending) [[unlikely]]
      return false;
    return stack_.may_send(c);
  }
  /// No more is to be sent: close_notify, where it is secured, and a FIN follow what is queued.
  void shut_down(tcp::Connection& c);
  /// The owner has no more to do with it; see Stack::close().
  void close(tcp::Connection& c);
  /// Likewise; the other side is reset. Of one whose TLS has failed it gets the alert first.
  void abort(tcp::Connection& c);

  /// Handshakes under way.
  uint32_t handshakes() const { return handshakes_; }

  /// Seals what was written; before Stack::flush().
  void flush();

 private:
  static constexpr uint32_t kMostPending = 256 * 1024;
  static constexpr uint32_t kMostHandshakes = 4096;  // each holds some 50 KB of the library's

  static Session& session_of(const tcp::Connection& c) { return static_cast<Session&>(*c.attached); }

  TlsCounters& counters_of(const tcp::Connection& c) { return counters_[c.listener]; }
  void take_more(tcp::Connection& c);
  void read(tcp::Connection& c);
  void count(const tcp::Connection& c, Failure why) { counters_of(c).failures[static_cast<size_t>(why)].add(1); }
  void note(const tcp::Connection& c, Session::Stage before);
  void send_sealed(tcp::Connection& c, tcp::ByteQueue&& data);
  void let_go(tcp::Connection& c);

  tcp::Stack& stack_;
  Buffers& buffers_;
  TlsCounters* counters_;
  std::vector<Session*> written_;  // have something to seal
  uint32_t handshakes_ = 0;        // under way
};

}  // namespace flatproxy::tls
