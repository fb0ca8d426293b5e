// A stack whose other side, network and owner are all the fuzzer's: segments near to what it expects or far from it,
// time, and what an owner may call. Nothing may crash, nothing malformed or beyond the other side's window may leave,
// and in the end every buffer is back.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "packet/frame.h"
#include "packet/reason.h"
#include "tcp/stack.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"
#include "wire/parse.h"

namespace flatproxy::tcp {
namespace {

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

/// Reads the fuzzer's bytes; zeros when they are used up.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  bool empty() const { return size_ == 0; }
  uint8_t byte() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  uint16_t word() { return static_cast<uint16_t>(byte() << 8 | byte()); }
  /// Small mostly, sometimes anything.
  uint32_t distance() {
    const uint8_t kind = byte();
    if (kind < 128) return kind % 8;
    if (kind < 224) return static_cast<uint32_t>(static_cast<int16_t>(word()));
    return uint32_t{word()} << 16 | word();
  }

 private:
  const uint8_t* data_;
  size_t size_;
};

const wire::Address kOurs = *wire::Address::parse("10.0.0.1");
const wire::Address kTheirs = *wire::Address::parse("10.0.0.2");

class Checker : public Transmitter {
 public:
  void transmit(Segment* frame, Connection& c) override {
    Reason why;
    require(wire::parse_frame(frame, why), "a malformed frame was sent");
    const wire::TcpView tcp{frame->data + frame->l4_offset};
    const uint32_t payload = frame->l4_length - tcp.header_length();
    require(payload <= 65000, "more payload than a frame may have");
    require(frame->gso_size == 0 || frame->gso_size == c.mss, "segments of another size than the MSS");
    require(frame->gso_size != 0 || payload <= c.mss, "a segment larger than the MSS");
    if (payload > 0) {
      const Sequence edge = c.una + c.max_window;
      require(!after(tcp.sequence() + payload, edge), "data beyond every window that was ever offered");
      require(!after(tcp.sequence() + payload, c.next + payload), "data from the future");
    }
    release(frame);
  }
};

class World {
 public:
  World(const Settings& settings, Input& input) : input_(input), stack_(settings, 64, secrets(), buffers_, checker_) {
    stack_.set_time(now_);
    listener_ = stack_.listen(4);
  }

  void run() {
    while (!input_.empty()) {
      step();
      if (input_.byte() % 2 == 0) settle();
    }
    for (Connection* c : owned_) stack_.abort(*c);
    owned_.clear();
    settle();
    stack_.unlisten(listener_);
    settle();
    pass(400 * kSecond);
    require(stack_.connections() == 0, "a connection was left");
    require(buffers_.loans.in_use() == 0, "a loan was left");
    require(buffers_.small.in_use() == 0 && buffers_.large.in_use() == 0, "a buffer was left");
  }

 private:
  static Secrets secrets() { return {hash_key(1), {{1, 2}}, {{3, 4}}, {{5, 6}}}; }

  void step() {
    switch (input_.byte() % 12) {
      case 0:
        return pass(Nanoseconds{input_.word()} * 1000);
      case 1:
        return pass(Nanoseconds{input_.word()} * kMillisecond);
      case 2:
        return connect();
      case 3:
        return act();
      case 4:
        return icmp();
      default:
        return segment();
    }
  }

  void pass(Nanoseconds time) {
    const Nanoseconds end = now_ + time;
    while (now_ < end) {
      now_ = std::min(end, std::max(now_ + 1, stack_.next_deadline()));
      stack_.set_time(now_);
      stack_.advance();
      settle();
    }
  }

  void settle() {
    stack_.flush();
    while (Connection* c = stack_.take_ready()) {
      const uint8_t events = std::exchange(c->events, uint8_t{0});
      if ((events & kOpened) != 0 && c->has(kPassive)) owned_.push_back(c);
      if ((events & kEnded) != 0) {
        std::erase(owned_, c);
        stack_.close(*c);
      }
    }
    stack_.flush();
  }

  Connection* pick() { return owned_.empty() ? nullptr : owned_[input_.byte() % owned_.size()]; }

  void connect() {
    const Tuple tuple{kOurs, kTheirs, static_cast<uint16_t>(1000 + input_.byte() % 4), 80, wire::protocol::kTcp, 4};
    if (owned_.size() > 8) return;
    if (Connection* c = stack_.connect(tuple, {}); c != nullptr) owned_.push_back(c);
  }

  void act() {
    Connection* c = pick();
    if (c == nullptr) return;
    switch (input_.byte() % 8) {
      case 0:
      case 1: {
        const std::vector<uint8_t> bytes(input_.word() % 20'000);
        if (stack_.may_send(*c)) stack_.send(*c, bytes.data(), static_cast<uint32_t>(bytes.size()));
        return;
      }
      case 2: {
        ByteQueue taken = c->received.cut_front(input_.word() % (c->received.bytes() + 1), buffers_);
        stack_.taken(*c);
        stack_.send(*c, std::move(taken));
        return;
      }
      case 3:
        c->received.drop_front(input_.word() % (c->received.bytes() + 1));
        return stack_.taken(*c);
      case 4:
        return stack_.shut_down(*c);
      case 5:
        std::erase(owned_, c);
        return stack_.close(*c);
      case 6:
        std::erase(owned_, c);
        return stack_.abort(*c);
      default:
        c->flags ^= input_.byte() % 2 == 0 ? kNoDelay : kCork;
        return stack_.poke(*c);
    }
  }

  void icmp() {
    const Connection* c = pick();
    if (c == nullptr) return;
    if (input_.byte() % 2 == 0) {
      stack_.packet_too_big(c->tuple, c->una + input_.distance(), input_.word());
    } else {
      stack_.unreachable(c->tuple, c->iss + input_.distance());
    }
  }

  // A segment of the other side, its numbers so far from those that would fit.
  void segment() {
    const Connection* c = pick();
    wire::Tcp tcp;
    tcp.source_port = static_cast<uint16_t>(2000 + input_.byte() % 4);
    tcp.destination_port = 80;
    if (c != nullptr) {
      tcp.source_port = c->tuple.destination_port;
      tcp.destination_port = c->tuple.source_port;
      tcp.sequence = c->expected + input_.distance();
      tcp.acknowledgment = (input_.byte() % 2 == 0 ? c->next : c->una) + input_.distance();
    } else {
      tcp.sequence = input_.distance();
      tcp.acknowledgment = input_.distance();
    }
    const uint8_t flags = input_.byte();
    tcp.flags = flags < 160 ? static_cast<uint8_t>(wire::kAck | (flags % 8 == 0 ? wire::kFin : 0)) : input_.byte();
    tcp.window = input_.word();
    tcp.urgent = 0;
    options(tcp.options, c);
    deliver(tcp, input_.byte() % 4 == 0 ? input_.word() % 5000 : input_.byte());
  }

  void options(wire::TcpOptions& o, const Connection* c) {
    const uint8_t which = input_.byte();
    if ((which & 1) != 0) o.mss = input_.word();
    if ((which & 2) != 0) o.window_scale = input_.byte();
    if ((which & 4) != 0) o.sack_permitted = true;
    if ((which & 8) != 0 || (c != nullptr && c->has(kTimestampsOk))) {
      const uint32_t recent = c != nullptr ? c->recent_timestamp : 0;
      o.timestamps = wire::TcpTimestamps{recent + input_.distance(), input_.distance()};
    }
    if ((which & 16) != 0 && c != nullptr) {
      const uint8_t room = o.sack_permitted || o.mss || o.window_scale ? 1 : o.timestamps ? 3 : 4;
      o.sack_count = static_cast<uint8_t>(1 + input_.byte() % room);
      for (uint8_t i = 0; i < o.sack_count; ++i) {
        o.sack[i].begin = c->una + input_.distance() * 100;
        o.sack[i].end = o.sack[i].begin + input_.distance() * 100;
      }
    }
  }

  void deliver(const wire::Tcp& tcp, uint32_t payload) {
    if (tcp.options.size() > 40) return;
    const uint32_t l4 = tcp.size() + payload;
    std::vector<uint8_t> bytes(wire::kEthernetSize + wire::kIpv4Size + l4);
    wire::Ethernet{{}, {}, std::nullopt, wire::ether_type::kIpv4}.emit(bytes);
    wire::Ipv4 ip;
    ip.total_length = static_cast<uint16_t>(wire::kIpv4Size + l4);
    ip.traffic_class = input_.byte() % 4;
    ip.protocol = wire::protocol::kTcp;
    ip.source = kTheirs;
    ip.destination = kOurs;
    ip.emit(wire::MutableBytes(bytes).subspan(wire::kEthernetSize));
    tcp.emit(wire::MutableBytes(bytes).subspan(wire::kEthernetSize + wire::kIpv4Size));
    Segment* frame = buffers_.small.allocate();
    if (frame == nullptr) return;
    Reason why;
    bool good = append(frame, bytes.data(), static_cast<uint32_t>(bytes.size()), buffers_);
    frame->flags = kChecksumValid;
    good = good && wire::parse_frame(frame, why);
    if (!good || stack_.input(frame, listener_) != Fate::taken) release(frame);
  }

  Input& input_;
  Nanoseconds now_ = 1'000'000'000;
  Buffers buffers_{256, 64, 128};
  Checker checker_;
  Stack stack_;
  uint16_t listener_;
  std::vector<Connection*> owned_;
};

}  // namespace
}  // namespace flatproxy::tcp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace flatproxy::tcp;
  if (size > 4096) return 0;
  Input input(data, size);
  Settings settings;
  const uint8_t kind = input.byte();
  settings.timestamps = (kind & 1) != 0;
  settings.sack = (kind & 2) != 0;
  settings.tail_loss_probe = (kind & 4) != 0;
  settings.ecn = (kind & 8) != 0 ? Ecn::request : Ecn::off;
  settings.congestion = (kind & 16) != 0 ? &cubic() : &new_reno();
  settings.keepalive_after = (kind & 32) != 0 ? 10 * kSecond : 0;
  settings.user_timeout = 60 * kSecond;
  settings.max_send_buffer = 256 * 1024;
  World(settings, input).run();
  return 0;
}
