#pragma once

#include <functional>
#include <string>
#include <vector>

#include "support/world.h"
#include "tcp/stack.h"

namespace flatproxy::test {

/// A host behind a port of a World, whose TCP is a stack of its own, and which listens on port 8080.
class WorldPeer : private tcp::Transmitter {
 public:
  /// @param queue by which its frames come to the node, of as many as there are lanes; -1: at random
  /// @param window bytes that it offers at most; 0: as usual
  WorldPeer(World& world, unsigned port, const std::string& address, int queue = 0, uint32_t window = 0);

  tcp::Connection* connect(const std::string& address, uint16_t port, uint16_t source_port);
  /// What came for it is taken, what it has to say is sent.
  void step();
  /// The same in two parts, for whoever brings the frames.
  void take(const Segment* came);
  void step_quietly();
  Nanoseconds next_deadline() const { return stack_.next_deadline(); }
  uint32_t buffers_in_use() const {
    return buffers_.small.in_use() + buffers_.large.in_use() + buffers_.loans.in_use();
  }

  /// The station that it sends to, and in which VLAN, 0: none. What comes otherwise is a stray, and is not taken.
  wire::Mac gateway;
  uint16_t vlan = 0;
  unsigned strays = 0;
  /// Called for each connection to which something has happened, before what stands below takes notice.
  std::function<void(tcp::Connection&, uint8_t events)> on_event = [](tcp::Connection&, uint8_t) {};
  /// All that was opened, from both sides, and is not ended; what has ended, and why.
  std::vector<tcp::Connection*> open;
  std::vector<tcp::End> ends;
  tcp::Stack& stack() { return stack_; }
  /// Whether those who connect to it are taken; else they are refused.
  void set_listening(bool listens);
  Buffers& buffers() { return buffers_; }
  void abort(tcp::Connection& c);
  void send(tcp::Connection& c, const std::string& text);
  std::string read(tcp::Connection& c);

 private:
  void transmit(Segment* frame, tcp::Connection& c) override;
  bool is_stray(const Segment* frame) const;

  World& world_;
  unsigned port_;
  wire::Address address_;
  int queue_;
  uint32_t dice_ = 1;
  Buffers buffers_{4096, 1024, 8192};
  tcp::Stack stack_;
  uint16_t listener_;
};

}  // namespace flatproxy::test
