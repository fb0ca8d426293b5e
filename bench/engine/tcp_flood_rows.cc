#include <algorithm>
#include <vector>

#include "row.h"
#include "talk.h"
#include "tcp_rows.h"
#include "tcp_words.h"
#include "wire/tcp.h"

namespace flatproxy::bench {

namespace {

constexpr double kFloodBits = 1e9;            // of a flood on the wire
constexpr double kStreamBits = 9e9;           // and of the streams beside it: 10 Gbit/s together
constexpr double kFrameBits = 8 * (64 + 20);  // of the shortest frame, with preamble and gap
constexpr double kOpensPerSecond = 200;

/// What is due by a rate, since a moment.
class Due {
 public:
  Due(double rate, double since) : rate_(rate), since_(since) {}
  bool take(double now) {
    if (static_cast<double>(taken_) >= (now - since_) * rate_) return false;
    ++taken_;
    return true;
  }
  uint64_t taken() const { return taken_; }

 private:
  double rate_;
  double since_;
  uint64_t taken_ = 0;
};

/// Streams, and newcomers, beside a flood of SYNs or without one.
class Besieged {
 public:
  Besieged() : streams_(talk_, 8) {}

  /// Bits per second of the streams.
  double measure(bool flood) {
    const double start = seconds();
    const uint64_t before = arrived_;
    Due syns(flood ? kFloodBits / kFrameBits : 0, start);
    Due frames(kStreamBits / 8 / Streams::kFrame / 8, start);
    Due opens(kOpensPerSecond, start);
    double now = start;
    for (; now - start < kDuration; now = seconds()) {
      for (int i = 0; i < 32 && syns.take(now); ++i) talk_.say_from(true, talk_.syn(random_number()));
      if (frames.take(now)) streams_.send(1);
      if (opens.take(now)) knock(now);
      talk_.turn([&](const TcpWords& in) { hear(in); }, [&](const TcpWords& in) { serve(in); });
    }
    const double due = flood ? (now - start) * kFloodBits / kFrameBits : 0;
    if (static_cast<double>(syns.taken()) < due * 0.9)
      fail(talk_.rig(), "SYNs that the lane could take", static_cast<uint64_t>(due), syns.taken());
    return static_cast<double>(arrived_ - before) * 8 / (now - start);
  }
  /// The longest that a newcomer has waited for the first byte from its server, seconds.
  double longest_wait() {
    const double end = seconds() + 0.1;
    while (seconds() < end) talk_.turn([&](const TcpWords& in) { hear(in); }, [&](const TcpWords& in) { serve(in); });
    if (welcomed_ != knocked_.size()) fail(talk_.rig(), "newcomers that were served", knocked_.size(), welcomed_);
    return longest_;
  }
  uint64_t cookies() { return talk_.stack().counters().cookies_sent.read(); }

 private:
  // A sixteenth of the numbers is the newcomers'.
  static constexpr uint32_t kFlooders = Talk::kNumbers / 16 * 15;
  uint32_t random_number() { return ++flooded_ * 2654435761u % kFlooders; }
  static constexpr uint32_t kFirstNewcomer = kFlooders / 60'000 * 60'000 + 60'000;

  static constexpr double kServed = 0;

  void knock(double now) {
    talk_.say_from(true, talk_.syn(kFirstNewcomer + static_cast<uint32_t>(knocked_.size())));
    knocked_.push_back(now);
  }
  void hear(const TcpWords& in) {
    const TcpWords first = talk_.syn(kFirstNewcomer);
    if (in.destination != first.source) {
      if (!in.has(wire::kSyn)) streams_.hear(in);
      return;
    }
    if (in.has(wire::kSyn)) return talk_.say_from(true, in.answer(0, 1));
    if (in.payload > 0) {
      double& since = knocked_[in.destination_port - first.source_port];
      if (since != kServed) {
        ++welcomed_;
        longest_ = std::max(longest_, seconds() - since);
        since = kServed;
      }
      return talk_.say_from(true, in.answer(wire::kFin));
    }
    if (in.has(wire::kFin)) talk_.say_from(true, in.answer(0));
  }
  void serve(const TcpWords& in) {
    if (in.payload > 1) arrived_ += in.payload;
    talk_.serve(in, in.payload == 1);
  }

  Talk talk_;
  Streams streams_;
  uint64_t arrived_ = 0;
  uint32_t flooded_ = 0;
  std::vector<double> knocked_;  // when, or kServed
  uint64_t welcomed_ = 0;
  double longest_ = 0;
};

}  // namespace

void tcp_flood(int rounds) {
  constexpr uint32_t kBacklog = 4096, kBurst = 64;
  Talk talk;
  Row row{"tcp-flood", "SYNs/s", true, {}, {}};
  uint32_t sent = 0;
  uint64_t answered = 0;
  const auto client = [&](const TcpWords& in) { answered += in.has(wire::kSyn); };
  const auto server = [&](const TcpWords& in) { talk.serve(in, true); };
  const auto burst = [&] {
    for (uint32_t i = 0; i < kBurst; ++i) talk.say_from(true, talk.syn(sent++ * 2654435761u % Talk::kNumbers));
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
  const uint64_t cookies = talk.stack().counters().cookies_sent.read();
  // The rest are those of the backlog, and their repeats.
  if (cookies < answered / 100 * 98) fail(talk.rig(), "SYNs answered by cookies", answered, cookies);
  print(row);
}

void tcp_flood_kept(int rounds) {
  Besieged besieged;
  Row kept{"tcp-flood-kept", "%", true, {}, {}};
  Row wait{"tcp-flood-open", "s", false, {}, {}};
  besieged.measure(true);  // the backlog fills
  for (int i = 0; i < rounds; ++i) {
    const double alone = besieged.measure(false);
    const double flooded = besieged.measure(true);
    kept.rounds.push_back(100 * flooded / alone);
    kept.floors.push_back(alone);
    wait.rounds.push_back(besieged.longest_wait());
  }
  if (besieged.cookies() == 0) std::abort();
  print(kept);
  print(wait);
}

}  // namespace flatproxy::bench
