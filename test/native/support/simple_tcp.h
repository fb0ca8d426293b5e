#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "packet/segment.h"
#include "tcp/sequence.h"
#include "wire/address.h"
#include "wire/tcp.h"

namespace flatproxy::test {

/// A TCP as simple as one can be: RFC 9293 without an option but the MSS, one segment at a time, a fixed timeout, no
/// data out of order. What a peer may be, and something to compare with: it shares no code with the stack.
class SimpleTcp {
 public:
  struct Ends {
    wire::Address own;
    wire::Address other;
    uint16_t own_port;
    uint16_t other_port;  ///< 0: it waits for whoever opens
  };
  /// What it has to do with the rest of the world.
  struct Outside {
    std::function<uint8_t(uint32_t at)> byte_at;           ///< what it sends
    std::function<void(uint32_t at, uint8_t byte)> take;   ///< what it gets, in order
    std::function<void(std::vector<uint8_t> frame)> send;  ///< Ethernet, with empty MACs
  };
  SimpleTcp(const Ends& ends, uint32_t bytes, Outside outside);

  void arrives(const std::vector<uint8_t>& frame, Nanoseconds now);
  void step(Nanoseconds now);
  Nanoseconds deadline() const { return done() ? kNever : repeat_at_; }
  /// Both FINs are acknowledged, or it was reset.
  bool done() const { return reset_ || (fin_acked_ && fin_taken_); }
  bool was_reset() const { return reset_; }
  uint32_t received() const { return received_; }

 private:
  static constexpr uint32_t kMss = 500;
  static constexpr uint16_t kWindow = 2000;
  static constexpr Nanoseconds kTimeout = 400'000'000;

  void take_segment(const wire::Tcp& tcp, wire::Bytes payload);
  void send(uint8_t flags, uint32_t sequence, uint32_t from, uint32_t n);
  void send_next();

  const Ends ends_;
  const bool opens_;
  const uint32_t bytes_;
  const Outside outside_;
  Nanoseconds now_ = 0;
  Nanoseconds repeat_at_ = 0;
  uint16_t remote_port_;
  uint32_t iss_ = 0xfffffff0;
  uint32_t expected_ = 0;  // RCV.NXT
  uint32_t acked_ = 0;     // bytes of the stream
  uint32_t received_ = 0;
  uint32_t peer_window_ = 0;
  bool knows_peer_ = false;  // its SYN has come
  bool open_ = false;        // our SYN is acknowledged
  bool fin_acked_ = false;
  bool fin_taken_ = false;
  bool reset_ = false;
};

}  // namespace flatproxy::test
