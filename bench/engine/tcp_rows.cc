#include "tcp_rows.h"

#include <algorithm>
#include <cstdlib>
#include <unordered_map>
#include <vector>

#include "row.h"
#include "tcp/stack.h"
#include "tcp_words.h"
#include "wire/parse.h"
#include "wire/tcp.h"

namespace flatproxy::bench {
namespace {

constexpr uint16_t kListenerPort = 81;
constexpr uint32_t kListenerAddress = 0xcb007102;  // 203.0.113.2
/// So many that source ports, which rest for a second, are not what limits.
constexpr unsigned kEndpoints = 4 * kServers;
constexpr uint16_t kFirstPort = 8080;
constexpr uint8_t kLaneWindowShift = 8;  // tcp::Settings::window_shift

std::string service() {
  std::string text = R"([{"id":0,"name":"shop","protocol":"tcp","addresses":[],"port":80,"balance":"roundRobin",
    "affinity":"none","healthCheck":null,"maxConnections":0,"proxyProtocol":"none","endpoints":[)";
  for (unsigned i = 0; i < kEndpoints; ++i) {
    text += std::string(i == 0 ? "" : ",") + R"({"id":)" + std::to_string(i) + R"(,"address":"198.51.100.)" +
            std::to_string(16 + i % kServers) + R"(","port":)" + std::to_string(kFirstPort + i / kServers) +
            R"(,"weight":1,"drain":false,"name":"s)" + std::to_string(i) + "\"}";
  }
  return text + "]}]";
}

constexpr const char* kListener = R"([{"id":0,"name":"door","addresses":["203.0.113.2"],"port":81,"on":null,
  "backends":[{"service":0,"weight":1}],"trusted":null,"relay":{"connectTimeout":5000,"idleTimeout":3600000,
  "maxConnections":0,"maxConnectionsPerClient":0}}])";

/// A rig whose clock is the real one, with clients and servers that hear and say.
class Talk {
 public:
  Talk() : rig_(service(), 1024, false, kListener) {}

  void say_from(bool left, const TcpWords& words) {
    const auto clock = static_cast<uint32_t>(rig_.now() / 1'000'000);
    Segment* frame = say(words, left, clock, rig_.buffers());
    if (frame == nullptr || !(left ? rig_.left() : rig_.right()).inject(0, frame))
      fail(rig_, "frames that found room", 1, 0);
  }
  TcpWords syn(uint32_t number) const {
    TcpWords words{kFirstClient + 1 + number / kPorts, kListenerAddress, static_cast<uint16_t>(1024 + number % kPorts),
                   kListenerPort};
    words.sequence = number * 7919;
    words.flags = wire::kSyn;
    return words;
  }
  /// Lets the lane run once; what comes out is for the clients or the servers.
  template <typename Client, typename Server>
  void turn(Client&& client, Server&& server) {
    rig_.pass_at(std::max(rig_.now() + 1, static_cast<Nanoseconds>(seconds() * 1e9)));
    rig_.take_all(rig_.right(), [&](const Segment* frame) { server(hear(frame)); });
    rig_.take_all(rig_.left(), [&](const Segment* frame) { client(hear(frame)); });
  }
  /// A server: takes connections, echoes what it gets if asked to, closes when the other side has.
  void serve(const TcpWords& in, bool echoes) {
    if (in.has(wire::kRst)) return;
    if (in.length() == 0) return;
    const uint32_t endpoint = (in.destination_port - kFirstPort) * kServers + in.destination % kServers;
    uint32_t& next = server_next_[endpoint << 16 | in.source_port];
    if (in.has(wire::kSyn)) next = 1000;
    TcpWords out = in.answer(in.flags & (wire::kSyn | wire::kFin), echoes ? in.payload : 0);
    out.sequence = next;
    next += out.length();
    say_from(false, out);
  }
  Rig& rig() { return rig_; }
  const RelayCounters& counters() { return rig_.lane().counters().listeners[0]; }

 private:
  static constexpr uint32_t kPorts = 60'000;
  Rig rig_;
  std::vector<uint32_t> server_next_ = std::vector<uint32_t>(kEndpoints << 16);
};

/// Opens that many connections; calls opened(what the listener said last) for each.
template <typename Opened>
void open(Talk& talk, uint32_t connections, Opened&& opened) {
  uint32_t there = 0;
  for (uint32_t i = 0; i < connections; ++i) {
    if (i % 32 == 0) talk.turn([](const TcpWords&) {}, [&](const TcpWords& in) { talk.serve(in, true); });
    talk.say_from(true, talk.syn(i));
    const auto client = [&](const TcpWords& in) {
      if (!in.has(wire::kSyn)) return;
      talk.say_from(true, in.answer(0));
      opened(in);
      ++there;
    };
    talk.turn(client, [&](const TcpWords& in) { talk.serve(in, true); });
  }
  for (const double end = seconds() + 3; seconds() < end && talk.counters().relayed.read() < connections;)
    talk.turn([](const TcpWords&) {}, [&](const TcpWords& in) { talk.serve(in, true); });
  if (there != connections || talk.counters().relayed.read() != connections)
    fail(talk.rig(), "connections that opened", connections, talk.counters().relayed.read());
}

}  // namespace

void tcp_connect(int rounds) {
  constexpr uint32_t kAtOnce = 256;
  Talk talk;
  Row row{"tcp-connect", "connections/s", true, {}, {}};
  uint32_t started = 0;
  uint64_t done = 0;
  const auto client = [&](const TcpWords& in) {
    if (in.has(wire::kRst)) fail(talk.rig(), "connections that were not reset", done + 1, done);
    if (in.has(wire::kSyn)) {
      talk.say_from(true, in.answer(0, 1));
    } else if (in.payload > 0) {
      talk.say_from(true, in.answer(wire::kFin));
    } else if (in.has(wire::kFin)) {
      talk.say_from(true, in.answer(0));
      ++done;
    }
  };
  const auto some_turns = [&] {
    for (int turn = 0; turn < 16; ++turn) {
      for (int k = 0; k < 32 && started - done < kAtOnce; ++k) talk.say_from(true, talk.syn(started++));
      talk.turn(client, [&](const TcpWords& in) { talk.serve(in, true); });
    }
  };
  // As it goes on for hours: with a table full of connections in TIME-WAIT, and no page that the kernel must clear.
  const tcp::Stack& stack = talk.rig().lane().tcp().stack();
  while (done < Lane::Capacity{}.connections) some_turns();
  if (stack.connections() < Lane::Capacity{}.connections * 9 / 10)
    fail(talk.rig(), "connections that fill the table", Lane::Capacity{}.connections, stack.connections());
  for (int i = 0; i < rounds; ++i) {
    const uint64_t before = done;
    const double start = seconds();
    double now = start;
    for (; now - start < kDuration; now = seconds()) some_turns();
    row.rounds.push_back(static_cast<double>(done - before) / (now - start));
  }
  print(row);
}

void tcp_large(int rounds) {
  constexpr uint32_t kConnections = 8;
  constexpr uint32_t kFrame = 43 * 1448;
  struct Stream {
    TcpWords last;      // what the listener said last
    uint32_t next = 0;  // sequence number
  };
  Talk talk;
  std::unordered_map<uint16_t, Stream> streams;
  open(talk, kConnections, [&](const TcpWords& in) { streams[in.destination_port] = {in, in.acknowledgment}; });
  for (auto& [port, stream] : streams) {
    stream.last.sequence += 1;
    stream.last.flags = wire::kAck;
    stream.last.window = 255;
  }
  Row row{"tcp-large", "bit/s", true, {}, {}};
  uint64_t arrived = 0;
  const auto client = [&](const TcpWords& in) {
    Stream& stream = streams[in.destination_port];
    if (static_cast<int32_t>(in.acknowledgment - stream.last.acknowledgment) >= 0) stream.last = in;
  };
  const auto server = [&](const TcpWords& in) {
    arrived += in.payload;
    talk.serve(in, false);
  };
  for (int i = 0; i < rounds; ++i) {
    const uint64_t before = arrived;
    const double start = seconds();
    double now = start;
    for (; now - start < kDuration; now = seconds()) {
      for (auto& [port, stream] : streams) {
        const uint32_t edge = stream.last.acknowledgment + (uint32_t{stream.last.window} << kLaneWindowShift);
        for (int k = 0; k < 4 && static_cast<int32_t>(edge - stream.next - kFrame) >= 0; ++k) {
          TcpWords out = stream.last.answer(0, kFrame);
          out.sequence = stream.next;
          stream.next += kFrame;
          talk.say_from(true, out);
        }
      }
      talk.turn(client, server);
    }
    row.rounds.push_back(static_cast<double>(arrived - before) * 8 / (now - start));
  }
  print(row);
}

void tcp_small(const char* name, int depth, int rounds) {
  constexpr uint32_t kConnections = 64, kMessage = 100;
  Talk talk;
  std::vector<TcpWords> there;
  open(talk, kConnections, [&](const TcpWords& in) { there.push_back(in); });
  Row row{name, "messages/s", true, {}, {}};
  uint64_t bytes = 0;
  const auto server = [&](const TcpWords& in) { talk.serve(in, true); };
  std::vector<uint32_t> next(1 << 16);
  const auto say_more = [&](const TcpWords& in, uint32_t size) {
    TcpWords out = in.answer(wire::kPsh, size);
    out.sequence = next[in.destination_port];
    next[in.destination_port] += size;
    talk.say_from(true, out);
  };
  // For each message that is back the next one goes.
  const auto client = [&](const TcpWords& in) {
    bytes += in.payload;
    for (uint32_t left = in.payload; left > 0; left -= std::min(kMessage, left)) say_more(in, std::min(kMessage, left));
  };
  for (const TcpWords& in : there) {
    next[in.destination_port] = in.acknowledgment;
    for (int k = 0; k < depth; ++k) say_more(in, kMessage);
  }
  for (int i = 0; i < rounds; ++i) {
    const uint64_t before = bytes;
    const double start = seconds();
    double now = start;
    for (; now - start < kDuration; now = seconds()) {
      for (int turn = 0; turn < 16; ++turn) talk.turn(client, server);
    }
    if (bytes == before) fail(talk.rig(), "messages that came back", 1, 0);
    row.rounds.push_back(static_cast<double>(bytes - before) / kMessage / (now - start));
  }
  print(row);
}

void tcp_flood(int rounds) {
  constexpr uint32_t kBacklog = 4096, kBurst = 64;
  Talk talk;
  Row row{"tcp-flood", "SYNs/s", true, {}, {}};
  uint32_t sent = 0;
  uint64_t answered = 0;
  const auto client = [&](const TcpWords& in) { answered += in.has(wire::kSyn); };
  const auto server = [&](const TcpWords& in) { talk.serve(in, true); };
  const auto burst = [&] {
    for (uint32_t i = 0; i < kBurst; ++i) talk.say_from(true, talk.syn(sent++ * 2654435761u % 900'000'000u));
    talk.turn(client, server);
  };
  while (sent < kBacklog) burst();
  for (int i = 0; i < rounds; ++i) {
    const uint64_t before = answered;
    const double start = seconds();
    double now = start;
    for (; now - start < kDuration; now = seconds()) {
      for (int turn = 0; turn < 16; ++turn) burst();
    }
    row.rounds.push_back(static_cast<double>(answered - before) / (now - start));
  }
  const uint64_t cookies = talk.rig().lane().tcp().stack().counters().cookies_sent.read();
  // The rest are those of the backlog, and their repeats.
  if (cookies < answered / 100 * 98) fail(talk.rig(), "SYNs answered by cookies", answered, cookies);
  print(row);
}

void tcp_idle_bytes(int rounds) {
  constexpr uint32_t kConnections = 1'000'000;
  struct Ear : tcp::Transmitter {
    void transmit(Segment* frame, tcp::Connection&) override {
      heard = hear(frame);
      release(frame);
    }
    TcpWords heard;
  };
  Row row{"tcp-idle-bytes", "bytes", false, {}, {}};
  for (int i = 0; i < rounds; ++i) {
    Buffers buffers{4096, 64};
    Ear ear;
    const uint64_t before = resident_bytes();
    tcp::Stack stack({}, kConnections, {hash_key(1), {{1, 2}}, {{3, 4}}, {{5, 6}}}, buffers, ear);
    stack.set_time(1'000'000'000);
    const uint16_t listener = stack.listen(16);
    const auto arrives = [&](const TcpWords& words) {
      Segment* frame = say(words, true, 1, buffers);
      Reason why;
      if (!wire::parse_frame(frame, why) || stack.input(frame, listener) != tcp::Fate::taken) release(frame);
      stack.flush();
      while (tcp::Connection* c = stack.take_ready()) c->events = 0;
    };
    for (uint32_t n = 0; n < kConnections; ++n) {
      TcpWords syn{kFirstClient + n / 60'000, kListenerAddress, static_cast<uint16_t>(1024 + n % 60'000),
                   kListenerPort};
      syn.flags = wire::kSyn;
      arrives(syn);
      arrives(ear.heard.answer(0));
    }
    if (stack.counters().opened.read() != kConnections) std::abort();
    row.rounds.push_back(static_cast<double>(resident_bytes() - before) / kConnections);
  }
  print(row);
}

}  // namespace flatproxy::bench
