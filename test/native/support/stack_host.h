#pragma once

#include <functional>
#include <memory>

#include "support/faulty_link.h"
#include "tcp/stack.h"

namespace flatproxy::test {

/// A stack at one end of a link.
class StackHost : public tcp::Transmitter {
 public:
  /// Its address is 10.0.0.1 at end 0, 10.0.0.2 at end 1.
  StackHost(int the_end, FaultyLink& link, const tcp::Settings& settings, uint64_t seed, Nanoseconds now);

  void transmit(Segment* frame, tcp::Connection& connection) override;
  /// Time passes, what has arrived is taken, what has happened is told.
  void step(Nanoseconds now, const std::function<void(int end, tcp::Connection&, uint8_t events)>& on_ready);
  tcp::Connection* connect(uint16_t source_port, uint16_t destination_port = 80);

  const int end;
  Buffers buffers{4096, 1024, 8192};
  tcp::Stack stack;
  uint16_t listener;
  uint64_t frames_sent = 0;
  uint64_t loans_sent = 0;  ///< parts of frames that show what stays in a queue
  uint64_t loans_that_say_so = 0;

 private:
  void deliver(const std::vector<uint8_t>& bytes);

  FaultyLink& link_;
  Nanoseconds now_;
};

}  // namespace flatproxy::test
