#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "support/faulty_link.h"
#include "tcp/sequence.h"
#include "wire/tcp.h"

namespace flatproxy::test {

/// A TCP as simple as one can be: RFC 9293 without an option but the MSS, one segment at a time, a fixed timeout, no
/// data out of order. What a peer may be, and something to compare with: it shares no code with the stack.
class SimpleTcp {
 public:
  /// @param byte_at what it sends  @param take what it gets, in order
  SimpleTcp(int end, FaultyLink& link, bool opens, uint32_t bytes, std::function<uint8_t(uint32_t)> byte_at,
            std::function<void(uint32_t at, uint8_t byte)> take);

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

  void arrives(const std::vector<uint8_t>& frame);
  void take_segment(const wire::Tcp& tcp, wire::Bytes payload);
  void send(uint8_t flags, uint32_t sequence, uint32_t from, uint32_t n);
  void send_next();

  const int end_;
  FaultyLink& link_;
  const bool opens_;
  const uint32_t bytes_;
  std::function<uint8_t(uint32_t)> byte_at_;
  std::function<void(uint32_t, uint8_t)> take_;
  Nanoseconds now_ = 0;
  Nanoseconds repeat_at_ = 0;
  uint16_t local_port_;
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
