#include <cstdlib>
#include <vector>

#include "row.h"
#include "talk.h"
#include "tcp/stack.h"
#include "tcp_rows.h"
#include "tcp_words.h"
#include "wire/parse.h"
#include "wire/tcp.h"

namespace flatproxy::bench {

namespace {

/// A stack with connections of which the first are talked on.
class Crowd {
 public:
  explicit Crowd(uint32_t connections)
      : stack_({}, connections, {hash_key(1), {{1, 2}}, {{3, 4}}, {{5, 6}}}, buffers_, ear_),
        listener_(stack_.listen(16)) {
    stack_.set_time(now_);
    for (uint32_t n = 0; n < connections; ++n) {
      TcpWords syn{kFirstClient + n / 60'000, kListenerAddress, static_cast<uint16_t>(1024 + n % 60'000),
                   kListenerPort};
      syn.flags = wire::kSyn;
      arrives(syn);
      const TcpWords next = ear_.heard.answer(0);
      arrives(next);
      if (n < kTalking) clients_.push_back(next);
    }
    if (stack_.counters().opened.read() != connections) std::abort();
  }

  /// Messages a second of 100 bytes that come, are read and acknowledged, while time passes.
  double messages_per_second() {
    constexpr int kTurns = 64;
    uint64_t messages = 0;
    const double start = seconds();
    double now = start;
    for (; now - start < kDuration; now = seconds()) {
      for (int turn = 0; turn < kTurns; ++turn) {
        stack_.set_time(now_ += 10'000);
        stack_.advance();
        for (TcpWords& client : clients_) {
          client.payload = kMessage;
          arrives(client);
          client.sequence += kMessage;
          ++messages;
        }
      }
    }
    return static_cast<double>(messages) / (now - start);
  }

 private:
  static constexpr uint32_t kTalking = 64, kMessage = 100;
  struct Ear : tcp::Transmitter {
    void transmit(Segment* frame, tcp::Connection&) override {
      heard = hear(frame);
      release(frame);
    }
    TcpWords heard;
  };
  void arrives(const TcpWords& words) {
    Segment* frame = say(words, true, 1, buffers_);
    Reason why;
    if (!wire::parse_frame(frame, why) || stack_.input(frame, listener_) != tcp::Fate::taken) release(frame);
    while (tcp::Connection* c = stack_.take_ready()) {
      c->events = 0;
      c->received.clear();
      stack_.taken(*c);
    }
    stack_.flush();
  }

  Buffers buffers_{4096, 64};
  Ear ear_;
  Nanoseconds now_ = 1'000'000'000;
  tcp::Stack stack_;
  uint16_t listener_;
  std::vector<TcpWords> clients_;
};

}  // namespace

void tcp_idle_bytes(int rounds) {
  constexpr uint32_t kConnections = 1'000'000;
  Row row{"tcp-idle-bytes", "bytes", false, {}, {}};
  for (int i = 0; i < rounds; ++i) {
    const uint64_t before = resident_bytes();
    const Crowd crowd(kConnections);
    row.rounds.push_back(static_cast<double>(resident_bytes() - before) / kConnections);
  }
  print(row);
}

void tcp_idle_cost(int rounds) {
  Crowd few(64);
  Crowd many(1'000'000);
  Row row{"tcp-idle-cost", "%", false, {}, {}};
  for (int i = 0; i < rounds; ++i) {
    const double alone = few.messages_per_second();
    row.floors.push_back(alone);
    row.rounds.push_back(100 * alone / many.messages_per_second());
  }
  print(row);
}

}  // namespace flatproxy::bench
