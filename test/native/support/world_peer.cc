#include "support/world_peer.h"

#include <cstring>
#include <utility>

#include "l3/tcp_reset.h"
#include "packet/frame.h"
#include "wire/ethernet.h"
#include "wire/parse.h"
#include "wire/protocol.h"
#include "wire/tuple_of.h"

namespace flatproxy::test {
namespace {

tcp::Secrets secrets() {
  const HashKey key = hash_key(77);
  return {key, {{key.words[0], key.words[1]}}, {{key.words[1], key.words[2]}}, {{key.words[2], key.words[3]}}};
}

/// Who has nothing to say asks now and then whether the other side is still there.
tcp::Settings settings(uint32_t window) {
  tcp::Settings s;
  if (window != 0) {
    s.initial_receive_window = s.max_receive_buffer = window;
    s.window_scaling = false;
  }
  s.keepalive_after = 60 * tcp::kSecond;
  s.keepalive_interval = 5 * tcp::kSecond;
  return s;
}

}  // namespace

WorldPeer::WorldPeer(World& world, unsigned port, const std::string& address, int queue, uint32_t window)
    : world_(world),
      port_(port),
      address_(*wire::Address::parse(address)),
      queue_(queue),
      stack_(settings(window), 4096, secrets(), buffers_, *this) {
  gateway = world.mac(port);
  stack_.set_time(world.now());
  listener_ = stack_.listen(1024);
}

tcp::Connection* WorldPeer::connect(const std::string& address, uint16_t port, uint16_t source_port) {
  const auto to = *wire::Address::parse(address);
  const auto family = static_cast<uint8_t>(to.is_v4() ? 4 : 6);
  return stack_.connect({address_, to, source_port, port, wire::protocol::kTcp, family}, {});
}

void WorldPeer::transmit(Segment* frame, tcp::Connection&) {
  std::memcpy(frame->data, gateway.bytes.data(), 6);
  std::memcpy(frame->data + 6, peer_mac(port_).bytes.data(), 6);
  dice_ = dice_ * 1664525 + 1013904223;
  const unsigned drawn = (dice_ >> 16) % world_.shared().lanes();
  // A copy: what the peer's queues lend stays its own.
  Segment* copy = copy_frame(frame, world_.buffers());
  if (vlan != 0) tag(copy, vlan);
  world_.inject(port_, copy, queue_ < 0 ? drawn : static_cast<unsigned>(queue_));
  release(frame);
}

bool WorldPeer::is_stray(const Segment* frame) const {
  return wire::load_mac(frame->data) != peer_mac(port_) || wire::load_mac(frame->data + 6) != gateway ||
         frame->vlan != vlan;
}

void WorldPeer::take(const Segment* came) {
  stack_.set_time(world_.now());
  Segment* frame = copy_frame(came, buffers_);
  Reason why;
  const bool good = frame != nullptr && wire::parse_frame(frame, why) && frame->protocol == wire::protocol::kTcp &&
                    wire::destination_of(frame) == address_;
  if (good && is_stray(frame)) {
    ++strays;
    return release(frame);
  }
  const bool listens = good && static_cast<uint16_t>(frame->l4_ports) == 8080;
  if (good) {
    const tcp::Fate fate = stack_.input(frame, listens ? listener_ : tcp::Stack::kNoListener);
    if (fate == tcp::Fate::taken) return;
    Segment* reset = fate == tcp::Fate::unclaimed ? make_reset(world_.buffers(), frame) : nullptr;
    if (reset != nullptr) world_.inject(port_, reset);
  }
  if (frame != nullptr) release(frame);
}

void WorldPeer::step() {
  for (const Segment* frame : world_.take_frames(port_)) take(frame);
  step_quietly();
}

void WorldPeer::step_quietly() {
  stack_.set_time(world_.now());
  stack_.advance();
  stack_.flush();
  while (tcp::Connection* c = stack_.take_ready()) {
    const uint8_t events = std::exchange(c->events, uint8_t{0});
    on_event(*c, events);
    if ((events & tcp::kOpened) != 0) open.push_back(c);
    if ((events & tcp::kEnded) == 0) continue;
    std::erase(open, c);
    ends.push_back(c->end);
    stack_.close(*c);
  }
  stack_.flush();
}

void WorldPeer::set_listening(bool listens) {
  if (listens) return stack_.listen_as(listener_, 1024);
  stack_.unlisten(listener_);
}

void WorldPeer::abort(tcp::Connection& c) {
  std::erase(open, &c);
  stack_.abort(c);
}

void WorldPeer::send(tcp::Connection& c, const std::string& text) {
  stack_.send(c, reinterpret_cast<const uint8_t*>(text.data()), static_cast<uint32_t>(text.size()));
}

std::string WorldPeer::read(tcp::Connection& c) {
  std::string text(c.received.bytes(), '\0');
  c.received.copy_out(reinterpret_cast<uint8_t*>(text.data()), static_cast<uint32_t>(text.size()));
  stack_.taken(c);
  return text;
}

}  // namespace flatproxy::test
