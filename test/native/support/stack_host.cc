#include "support/stack_host.h"

#include "packet/frame.h"
#include "packet/reason.h"
#include "port/prepare.h"
#include "port/tcp_cutter.h"
#include "wire/parse.h"

namespace flatproxy::test {
namespace {

tcp::Secrets secrets_of(uint64_t seed) {
  const HashKey one = hash_key(seed);
  return {one, {{one.words[0], one.words[1]}}, {{one.words[1], one.words[2]}}, {{one.words[2], one.words[3]}}};
}

wire::Address address_of(int end) { return *wire::Address::parse(end == 0 ? "10.0.0.1" : "10.0.0.2"); }

std::vector<uint8_t> bytes_of(Segment* packet) {
  complete_checksum(packet);
  std::vector<uint8_t> bytes(packet->frame_length);
  copy_out(packet, 0, bytes.data(), packet->frame_length);
  return bytes;
}

}  // namespace

StackHost::StackHost(int the_end, FaultyLink& link, const tcp::Settings& settings, uint64_t seed, Nanoseconds now)
    : end(the_end), stack(settings, 4096, secrets_of(seed), buffers, *this), link_(link), now_(now) {
  stack.set_time(now);
  listener = stack.listen(1024);
}

// Packets as they are on a wire: within the MTU, checksums complete.
void StackHost::transmit(Segment* frame, tcp::Connection&) {
  ++frames_sent;
  for (const Segment* part = frame->next; part != nullptr; part = part->next) {
    ++loans_sent;
    if (part->shared) ++loans_that_say_so;
  }
  if (frame->gso_size == 0) {
    link_.send(1 - end, bytes_of(frame), now_);
  } else {
    TcpCutter cutter(frame, 65535, false);
    while (!cutter.done()) {
      Segment* packet = cutter.next(buffers);
      if (packet == nullptr) break;
      link_.send(1 - end, bytes_of(packet), now_);
      release(packet);
    }
  }
  release(frame);
}

void StackHost::deliver(const std::vector<uint8_t>& bytes) {
  Segment* frame = buffers.small.allocate();
  if (frame == nullptr) return;
  Reason why;
  const bool good = append(frame, bytes.data(), static_cast<uint32_t>(bytes.size()), buffers) &&
                    wire::parse_frame(frame, why) && frame->family == 4 && frame->protocol == wire::protocol::kTcp &&
                    (frame->flags & (kFirstFragment | kLaterFragment)) == 0;
  if (!good || stack.input(frame, listener) != tcp::Fate::taken) release(frame);
}

void StackHost::step(Nanoseconds now, const std::function<void(int, tcp::Connection&, uint8_t)>& on_ready) {
  now_ = now;
  stack.set_time(now);
  stack.advance();
  std::vector<uint8_t> bytes;
  while (link_.take(end, now, bytes)) deliver(bytes);
  // As a lane does: owners first, so that an acknowledgment rides on what they send.
  for (bool again = true; again;) {
    again = false;
    while (tcp::Connection* c = stack.take_ready()) {
      const uint8_t events = std::exchange(c->events, uint8_t{0});
      on_ready(end, *c, events);
      again = true;
    }
    stack.flush();
  }
}

tcp::Connection* StackHost::connect(uint16_t source_port, uint16_t destination_port) {
  return stack.connect({address_of(end), address_of(1 - end), source_port, destination_port, wire::protocol::kTcp, 4},
                       {});
}

}  // namespace flatproxy::test
