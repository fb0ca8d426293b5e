#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
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
  enum class Protocol { tcp, http };
  /// @param connections capacity of the lane
  explicit Talk(Protocol protocol = Protocol::tcp, uint32_t connections = Lane::Capacity{}.connections);

  void say_from(bool left, const TcpWords& words);
  /// The SYN of one of many clients. @param number below kNumbers
  TcpWords syn(uint32_t number) const;
  static constexpr uint32_t kNumbers = 900'000'000;
  /// Lets the lane run once; what comes out is for the clients or the servers.
  template <typename Client, typename Server>
  void turn(Client&& client, Server&& server) {
    inject();
    rig_.pass_at(std::max(rig_.now() + 1, static_cast<Nanoseconds>(seconds() * 1e9)));
    rig_.take_all(rig_.right(), [&](const Segment* frame) { server(hear(frame)); });
    rig_.take_all(rig_.left(), [&](const Segment* frame) { client(hear(frame)); });
  }
  /// A server: takes connections, echoes what it gets if asked to, closes when the other side has.
  void serve(const TcpWords& in, bool echoes);
  /// A server of HTTP, which takes each segment with a payload for a request.
  void serve_http(const TcpWords& in);
  Rig& rig() { return rig_; }
  const RelayCounters& counters() { return rig_.lane().counters().listeners[0]; }
  const tcp::Stack& stack() { return rig_.lane().tcp().stack(); }
  /// Connections of clients that the lane has done its part for.
  uint64_t opened() { return protocol_ == Protocol::http ? counters().taken.read() : counters().relayed.read(); }

 private:
  void answer(const TcpWords& in, uint32_t payload, const char* content);
  /// What was said goes in.
  void inject();

  Protocol protocol_;
  Rig rig_;
  std::vector<uint32_t> server_next_;          // sequence numbers
  std::array<std::vector<Segment*>, 2> said_;  // from the right, from the left: since the last turn
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
  for (const double end = seconds() + 3; seconds() < end && talk.opened() < connections;) talk.turn(nobody, server);
  if (there != connections || talk.opened() != connections)
    fail(talk.rig(), "connections that opened", connections, talk.opened());
}

/// Clients that send large frames for as long as the window lets them.
class Streams {
 public:
  static constexpr uint32_t kFrame = 43 * 1448;  ///< bytes

  /// @param head what each begins with
  Streams(Talk& talk, uint32_t connections, std::string_view head = {});
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
