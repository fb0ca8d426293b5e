#include "http_rows.h"

#include <string_view>
#include <vector>

#include "row.h"
#include "talk.h"
#include "tcp_words.h"
#include "wire/tcp.h"

namespace flatproxy::bench {
namespace {

constexpr std::string_view kGet =
    "GET /small HTTP/1.1\r\n"
    "Host: shop.example\r\n"
    "User-Agent: wrk/4.1\r\n"
    "Accept: */*\r\n"
    "\r\n";
constexpr std::string_view kLastGet =
    "GET /small HTTP/1.1\r\n"
    "Host: shop.example\r\n"
    "User-Agent: wrk/4.1\r\n"
    "Accept: */*\r\n"
    "Connection: close\r\n"
    "\r\n";
constexpr std::string_view kPost =
    "POST /upload HTTP/1.1\r\n"
    "Host: shop.example\r\n"
    "Content-Length: 999999999999999\r\n"
    "\r\n";

void ask(Talk& talk, const TcpWords& in, std::string_view request) {
  TcpWords out = in.answer(wire::kPsh, static_cast<uint32_t>(request.size()));
  out.content = request.data();
  talk.say_from(true, out);
}

/// Runs turns for a while. Returns by how much `count` has grown a second.
template <typename Turns>
double rate_of(const uint64_t& count, Turns&& turns) {
  const uint64_t before = count;
  const double start = seconds();
  double now = start;
  for (; now - start < kDuration; now = seconds()) turns();
  return static_cast<double>(count - before) / (now - start);
}

}  // namespace

void request_keepalive(int rounds) {
  constexpr uint32_t kClients = 64;
  Talk talk(Talk::Protocol::http);
  Row row{"request-keepalive", "requests/s", true, {}, {}};
  uint64_t done = 0;
  const auto server = [&](const TcpWords& in) { talk.serve_http(in); };
  const auto client = [&](const TcpWords& in) {
    if (in.payload == 0) return;
    ++done;
    ask(talk, in, kGet);
  };
  std::vector<TcpWords> there;
  open(talk, kClients, [&](const TcpWords& in) { there.push_back(in); });
  for (const TcpWords& in : there) ask(talk, in, kGet);
  for (int i = 0; i < rounds; ++i) {
    row.rounds.push_back(rate_of(done, [&] {
      for (int turn = 0; turn < 16; ++turn) talk.turn(client, server);
    }));
    if (row.rounds.back() == 0) fail(talk.rig(), "responses", 1, 0);
  }
  print(row);
}

void request_connect(int rounds) {
  constexpr uint32_t kAtOnce = 256;
  Talk talk(Talk::Protocol::http);
  Row row{"request-connect", "requests/s", true, {}, {}};
  uint32_t started = 0;
  uint64_t done = 0;
  const auto server = [&](const TcpWords& in) { talk.serve_http(in); };
  const auto client = [&](const TcpWords& in) {
    if (in.has(wire::kRst)) fail(talk.rig(), "connections that were not reset", done + 1, done);
    if (in.has(wire::kSyn)) {
      ask(talk, in, kLastGet);
    } else if (in.has(wire::kFin)) {
      talk.say_from(true, in.answer(wire::kFin));
      ++done;
    }
  };
  const auto some_turns = [&] {
    for (int turn = 0; turn < 16; ++turn) {
      for (int k = 0; k < 32 && started - done < kAtOnce; ++k) talk.say_from(true, talk.syn(started++));
      talk.turn(client, server);
    }
  };
  while (done < Lane::Capacity{}.connections) some_turns();
  for (int i = 0; i < rounds; ++i) row.rounds.push_back(rate_of(done, some_turns));
  print(row);
}

void body_large(int rounds) {
  Talk talk(Talk::Protocol::http);
  Streams streams(talk, 8, kPost);
  Row row{"body-large", "bit/s", true, {}, {}};
  uint64_t bits = 0;
  const auto client = [&](const TcpWords& in) { streams.hear(in); };
  const auto server = [&](const TcpWords& in) {
    bits += in.payload * uint64_t{8};
    talk.serve(in, false);
  };
  for (int i = 0; i < rounds; ++i) {
    row.rounds.push_back(rate_of(bits, [&] {
      streams.send(4);
      talk.turn(client, server);
    }));
  }
  print(row);
}

void http_idle_bytes(int rounds) {
  constexpr uint32_t kConnections = 1'000'000;
  Row row{"http-idle-bytes", "bytes", false, {}, {}};
  for (int i = 0; i < rounds; ++i) {
    const uint64_t before = resident_bytes();
    Talk talk(Talk::Protocol::http, 2 * kConnections + 1024);
    uint64_t done = 0;
    const auto server = [&](const TcpWords& in) { talk.serve_http(in); };
    const auto client = [&](const TcpWords& in) {
      if (in.has(wire::kSyn)) {
        ask(talk, in, kGet);
      } else if (in.payload > 0) {
        talk.say_from(true, in.answer(0));
        ++done;
      }
    };
    for (uint32_t n = 0; n < kConnections; n += 32) {
      for (uint32_t k = 0; k < 32; ++k) talk.say_from(true, talk.syn(n + k));
      for (int turn = 0; turn < 4; ++turn) talk.turn(client, server);
    }
    if (done != kConnections) fail(talk.rig(), "responses", kConnections, done);
    row.rounds.push_back(static_cast<double>(resident_bytes() - before) / kConnections);
  }
  print(row);
}

}  // namespace flatproxy::bench
