#include "tcp_rows.h"

#include <algorithm>
#include <vector>

#include "row.h"
#include "talk.h"
#include "tcp_words.h"
#include "wire/tcp.h"

namespace flatproxy::bench {

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
  const tcp::Stack& stack = talk.stack();
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
  Talk talk;
  Streams streams(talk, 8);
  Row row{"tcp-large", "bit/s", true, {}, {}};
  uint64_t arrived = 0;
  const auto client = [&](const TcpWords& in) { streams.hear(in); };
  const auto server = [&](const TcpWords& in) {
    arrived += in.payload;
    talk.serve(in, false);
  };
  for (int i = 0; i < rounds; ++i) {
    const uint64_t before = arrived;
    const double start = seconds();
    double now = start;
    for (; now - start < kDuration; now = seconds()) {
      streams.send(4);
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

}  // namespace flatproxy::bench
