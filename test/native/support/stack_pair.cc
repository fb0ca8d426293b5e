#include "support/stack_pair.h"

#include <algorithm>

#include "packet/frame.h"
#include "packet/reason.h"
#include "port/prepare.h"
#include "port/tcp_cutter.h"
#include "wire/ethernet.h"
#include "wire/parse.h"

namespace flatproxy::test {
namespace {

tcp::Secrets secrets_of(uint64_t seed) {
  const HashKey one = hash_key(seed);
  return {one, {{one.words[0], one.words[1]}}, {{one.words[1], one.words[2]}}, {{one.words[2], one.words[3]}}};
}

const wire::Address kAddresses[] = {*wire::Address::parse("10.0.0.1"), *wire::Address::parse("10.0.0.2")};

}  // namespace

StackPair::Side::Side(StackPair& the_pair, int the_index, const tcp::Settings& settings, uint64_t seed)
    : pair(the_pair), index(the_index), stack(settings, 4096, secrets_of(seed), buffers, *this) {
  stack.set_time(pair.now());
  listener = stack.listen(1024);
}

void StackPair::Side::transmit(Segment* frame, tcp::Connection&) { pair.put_on_wire(1 - index, frame); }

StackPair::StackPair(const tcp::Settings& a, const tcp::Settings& b, const LinkFaults& the_faults, uint64_t seed)
    : faults(the_faults), dice_(seed) {
  sides_[0] = std::make_unique<Side>(*this, 0, a, seed * 2 + 1);
  sides_[1] = std::make_unique<Side>(*this, 1, b, seed * 2 + 2);
}

StackPair::~StackPair() = default;

tcp::Connection* StackPair::connect(uint16_t source_port) {
  Tuple tuple{kAddresses[0], kAddresses[1], source_port, 80, wire::protocol::kTcp, 4};
  return side(0).stack.connect(tuple, nullptr);
}

// Packets as they are on a wire: within the MTU, checksums complete.
void StackPair::put_on_wire(int to, Segment* frame) {
  Buffers& buffers = side(1 - to).buffers;
  const auto bytes_of = [](Segment* packet) {
    complete_checksum(packet);
    std::vector<uint8_t> bytes(packet->frame_length);
    copy_out(packet, 0, bytes.data(), packet->frame_length);
    return bytes;
  };
  if (frame->gso_size == 0) {
    launch(to, bytes_of(frame));
  } else {
    TcpCutter cutter(frame, 65535, false);
    while (!cutter.done()) {
      Segment* packet = cutter.next(buffers);
      if (packet == nullptr) break;
      launch(to, bytes_of(packet));
      release(packet);
    }
  }
  release(frame);
}

void StackPair::launch(int to, std::vector<uint8_t> packet) {
  ++packets_;
  if (dice_.one_in_10000(faults.loss) || flying_.size() >= faults.queue) return;
  if (dice_.one_in_10000(faults.corruption)) {
    uint8_t& byte = packet[dice_.below(static_cast<uint32_t>(packet.size()))];
    byte = static_cast<uint8_t>(byte ^ 1 << dice_.below(8));
  }
  const bool twice = dice_.one_in_10000(faults.duplication);
  for (int i = 0; i <= twice; ++i) {
    Nanoseconds arrives = now_ + faults.delay + (faults.jitter != 0 ? dice_.next() % faults.jitter : 0);
    if (dice_.one_in_10000(faults.reordering)) arrives += faults.delay / 2 + 1;
    flying_.push_back({arrives, order_++, to, packet});
    std::push_heap(flying_.begin(), flying_.end());
  }
}

void StackPair::deliver(const Flying& flying) {
  Side& at = side(flying.to);
  Segment* frame = at.buffers.small.allocate();
  if (frame == nullptr) return;
  Reason why;
  const bool good = append(frame, flying.packet.data(), static_cast<uint32_t>(flying.packet.size()), at.buffers) &&
                    wire::parse_frame(frame, why) && frame->protocol == wire::protocol::kTcp &&
                    (frame->flags & (kFirstFragment | kLaterFragment)) == 0;
  if (!good || at.stack.input(frame, at.listener) != tcp::Fate::taken) release(frame);
}

bool StackPair::run(Nanoseconds most, const std::function<bool()>& done,
                    const std::function<void(int, tcp::Connection&, uint8_t)>& on_ready) {
  const Nanoseconds end = now_ + most;
  for (;;) {
    for (int i = 0; i < 2; ++i) {
      Side& s = side(i);
      s.stack.set_time(now_);
      s.stack.advance();
      while (!flying_.empty() && flying_.front().arrives <= now_ && flying_.front().to == i) {
        std::pop_heap(flying_.begin(), flying_.end());
        const Flying flying = std::move(flying_.back());
        flying_.pop_back();
        deliver(flying);
      }
      s.stack.flush();
      while (tcp::Connection* c = s.stack.take_ready()) {
        const uint8_t events = c->events;
        c->events = 0;
        on_ready(i, *c, events);
      }
      s.stack.flush();
    }
    if (done()) return true;
    Nanoseconds next = std::min(side(0).stack.next_deadline(), side(1).stack.next_deadline());
    if (!flying_.empty()) next = std::min(next, flying_.front().arrives);
    if (next == kNever || next > end) return false;
    now_ = std::max(now_, next);
  }
}

}  // namespace flatproxy::test
