#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "rig.h"
#include "row.h"
#include "tcp_words.h"
#include "wire/tcp.h"

namespace flatproxy::bench {

constexpr uint16_t kListenerPort = 81;
constexpr uint32_t kListenerAddress = 0xcb007102;  // 203.0.113.2

/// A rig whose clock is the real one, with a listener, and clients and servers that hear and say.
class Talk {
 public:
  Talk();

  void say_from(bool left, const TcpWords& words);
  /// The SYN of one of many clients. @param number below kNumbers
  TcpWords syn(uint32_t number) const;
  static constexpr uint32_t kNumbers = 900'000'000;
  /// Lets the lane run once; what comes out is for the clients or the servers.
  template <typename Client, typename Server>
  void turn(Client&& client, Server&& server) {
    rig_.pass_at(std::max(rig_.now() + 1, static_cast<Nanoseconds>(seconds() * 1e9)));
    rig_.take_all(rig_.right(), [&](const Segment* frame) { server(hear(frame)); });
    rig_.take_all(rig_.left(), [&](const Segment* frame) { client(hear(frame)); });
  }
  /// A server: takes connections, echoes what it gets if asked to, closes when the other side has.
  void serve(const TcpWords& in, bool echoes);
  Rig& rig() { return rig_; }
  const RelayCounters& counters() { return rig_.lane().counters().listeners[0]; }
  const tcp::Stack& stack() { return rig_.lane().tcp().stack(); }

 private:
  Rig rig_;
  std::vector<uint32_t> server_next_;  // sequence numbers
};

/// Opens that many connections; calls opened(what the listener said last) for each.
template <typename Opened>
void open(Talk& talk, uint32_t connections, Opened&& opened) {
  const auto server = [&](const TcpWords& in) { talk.serve(in, true); };
  const auto nobody = [](const TcpWords&) {};
  uint32_t there = 0;
  for (uint32_t i = 0; i < connections; ++i) {
    if (i % 32 == 0) talk.turn(nobody, server);
    talk.say_from(true, talk.syn(i));
    const auto client = [&](const TcpWords& in) {
      if (!in.has(wire::kSyn)) return;
      talk.say_from(true, in.answer(0));
      opened(in);
      ++there;
    };
    talk.turn(client, server);
  }
  for (const double end = seconds() + 3; seconds() < end && talk.counters().relayed.read() < connections;)
    talk.turn(nobody, server);
  if (there != connections || talk.counters().relayed.read() != connections)
    fail(talk.rig(), "connections that opened", connections, talk.counters().relayed.read());
}

/// Clients that send large frames for as long as the window lets them.
class Streams {
 public:
  static constexpr uint32_t kFrame = 43 * 1448;  ///< bytes

  Streams(Talk& talk, uint32_t connections);
  /// Sends up to `frames` on each.
  void send(uint32_t frames);
  /// What a client hears.
  void hear(const TcpWords& in);

 private:
  struct Stream {
    TcpWords last;      // what the listener said last
    uint32_t next = 0;  // sequence number
  };
  Talk& talk_;
  std::unordered_map<uint16_t, Stream> streams_;
};

}  // namespace flatproxy::bench
