#include "tcp_peers.h"

#include <algorithm>
#include <cstring>

#include "packet/frame.h"
#include "wire/protocol.h"
#include "wire/tcp.h"

namespace flatproxy::sim {
namespace {

constexpr uint16_t kServerPort = 8080;

wire::Address address_of(const std::string& text) { return *wire::Address::parse(text); }

}  // namespace

uint8_t byte_up(uint16_t client_port, uint32_t at) {
  if (at < 2) return static_cast<uint8_t>(at == 0 ? client_port >> 8 : client_port);
  return static_cast<uint8_t>(at * 31 + at / 251 + client_port * 7);
}
uint8_t byte_down(uint16_t mark, uint32_t at) { return static_cast<uint8_t>(at * 37 + at / 509 + mark * 11 + 3); }

void TcpPeers::wrong(const Plan& plan, const std::string& what) {
  Peers::wrong("the connection from port " + std::to_string(plan.client_port) + ": " + what);
}

// On flatproxy's own TCP.

StackPeers::StackPeers(test::World& node, unsigned port, const std::string& address, const std::vector<Plan>& plans,
                       bool opens, Destination destination)
    : host_(node, port, address, -1), plans_(plans), opens_(opens), destination_(std::move(destination)) {
  if (destination_.gateway) host_.gateway = *destination_.gateway;
  host_.on_event = [this](tcp::Connection& c, uint8_t events) { happen(c, events); };
}

void StackPeers::step(Nanoseconds now) {
  for (; opens_ && opened_ < plans_.size() && plans_[opened_].begins <= now; ++opened_) {
    tcp::Connection* c = host_.connect(destination_.address, destination_.port, plans_[opened_].client_port);
    if (c != nullptr) streams_[c].plan = &plans_[opened_];
  }
  host_.step_quietly();
}

Nanoseconds StackPeers::next_deadline() const {
  const Nanoseconds begins = opens_ && opened_ < plans_.size() ? plans_[opened_].begins : kNever;
  return std::min(host_.next_deadline(), begins);
}

bool StackPeers::done() const { return (!opens_ || opened_ == plans_.size()) && streams_.empty(); }

uint32_t StackPeers::buffers_in_use() const { return host_.buffers_in_use(); }

const Plan* StackPeers::plan_of(uint16_t client_port) const {
  const auto known =
      std::find_if(plans_.begin(), plans_.end(), [&](const Plan& plan) { return plan.client_port == client_port; });
  return known == plans_.end() ? nullptr : &*known;
}

void StackPeers::happen(tcp::Connection& c, uint8_t events) {
  Stream& stream = streams_[&c];
  read(c, stream);
  const bool ended = (events & tcp::kEnded) != 0;
  if (c.peer_closed() && stream.plan != nullptr) {
    const uint32_t all = opens_ ? stream.plan->down : stream.plan->up;
    if (c.received.empty() && stream.received != all)
      wrong(*stream.plan, "its stream was said to end after " + std::to_string(stream.received) + " of " +
                              std::to_string(all) + " bytes");
  }
  if (ended) {
    const bool whole = stream.plan != nullptr && stream.received == (opens_ ? stream.plan->down : stream.plan->up) &&
                       stream.sent == (opens_ ? stream.plan->up : stream.plan->down);
    if (whole && c.end == tcp::End::closed) ++complete_;
    streams_.erase(&c);
    return;
  }
  write(c, stream);
}

void StackPeers::read(tcp::Connection& c, Stream& stream) {
  if (!opens_ && stream.plan == nullptr) {
    uint8_t port[2];
    if (c.received.peek(port, 2) < 2) return;
    stream.plan = plan_of(static_cast<uint16_t>(port[0] << 8 | port[1]));
    if (stream.plan == nullptr) return wrong(Plan{}, "its stream begins with a port that no client has");
  }
  uint8_t buffer[4096];
  while (const uint32_t n = c.received.copy_out(buffer, sizeof(buffer))) {
    const Plan& plan = *stream.plan;
    for (uint32_t i = 0; i < n; ++i, ++stream.received) {
      const uint8_t expected =
          opens_ ? byte_down(plan.down_mark, stream.received) : byte_up(plan.client_port, stream.received);
      if (buffer[i] != expected) wrong(plan, "byte " + std::to_string(stream.received) + " is another one");
    }
  }
  host_.stack().taken(c);
}

void StackPeers::write(tcp::Connection& c, Stream& stream) {
  if (stream.plan == nullptr || c.state == tcp::State::syn_sent) return;
  const Plan& plan = *stream.plan;
  const uint32_t all = opens_ ? plan.up : plan.down;
  const bool aborts = plan.end == (opens_ ? Plan::End::client_aborts : Plan::End::server_aborts);
  const uint32_t end = aborts ? all / 2 : all;
  uint8_t buffer[1400];
  while (stream.sent < end && host_.stack().may_send(c)) {
    const uint32_t n = std::min<uint32_t>(end - stream.sent, sizeof(buffer));
    for (uint32_t i = 0; i < n; ++i)
      buffer[i] = opens_ ? byte_up(plan.client_port, stream.sent + i) : byte_down(plan.down_mark, stream.sent + i);
    const uint32_t took = host_.stack().send(c, buffer, n);
    stream.sent += took;
    if (took < n) return;
  }
  if (stream.sent < end) return;
  if (!aborts) return host_.stack().shut_down(c);
  streams_.erase(&c);
  host_.abort(c);
}

// On another TCP.

SimplePeers::SimplePeers(test::World& node, unsigned port, const std::string& address, const std::string& other,
                         const std::vector<Plan>& plans, bool opens)
    : node_(node),
      port_(port),
      address_(address_of(address)),
      other_(address_of(other)),
      plans_(plans),
      opens_(opens) {}

SimplePeers::One& SimplePeers::make(uint16_t key, const Plan& plan) {
  One& one = all_[key];
  one.client_port = plan.client_port;
  const test::SimpleTcp::Ends ends{address_, other_, opens_ ? key : kServerPort,
                                   opens_ ? Destination{}.port : uint16_t{0}};
  test::SimpleTcp::Outside outside;
  outside.byte_at = [this, client = plan.client_port](uint32_t at) {
    return opens_ ? byte_up(client, at) : byte_down(0, at);
  };
  outside.take = [this, &one](uint32_t at, uint8_t byte) {
    const Plan& about = plans_.front();
    if (opens_ && byte != byte_down(about.down_mark != 0 ? one.client_port : uint16_t{0}, at))
      wrong(about, "byte " + std::to_string(at) + " is another one");
    if (!opens_ && at < 2) one.client_port = static_cast<uint16_t>(one.client_port << 8 | byte);
    if (!opens_ && at >= 2 && byte != byte_up(one.client_port, at))
      wrong(about, "byte " + std::to_string(at) + " is another one");
    ++one.received;
  };
  outside.send = [this](std::vector<uint8_t> frame) {
    std::memcpy(frame.data(), node_.mac(port_).bytes.data(), 6);
    std::memcpy(frame.data() + 6, test::peer_mac(port_).bytes.data(), 6);
    Segment* segment = node_.buffers().small.allocate();
    append(segment, frame.data(), static_cast<uint32_t>(frame.size()), node_.buffers());
    node_.inject(port_, segment);
  };
  one.tcp = std::make_unique<test::SimpleTcp>(ends, opens_ ? plan.up : plan.down, std::move(outside));
  return one;
}

void SimplePeers::take(const Segment* frame) {
  std::vector<uint8_t> bytes(frame->frame_length);
  copy_out(frame, 0, bytes.data(), frame->frame_length);
  if (bytes.size() < 54 || bytes[12] != 8 || bytes[13] != 0 || bytes[23] != wire::protocol::kTcp) return;
  const uint8_t* tcp = &bytes[34];
  const uint16_t key = opens_ ? wire::load16(tcp + 2) : wire::load16(tcp);
  auto found = all_.find(key);
  if (found == all_.end()) {
    if (opens_ || (tcp[13] & wire::kSyn) == 0 || wire::load16(tcp + 2) != kServerPort) return;
    Plan plan = plans_.front();  // its bytes are the same for all
    plan.client_port = 0;
    make(key, plan);
    found = all_.find(key);
  }
  found->second.tcp->arrives(bytes, now_);
}

void SimplePeers::step(Nanoseconds now) {
  now_ = now;
  for (; opens_ && opened_ < plans_.size() && plans_[opened_].begins <= now; ++opened_)
    make(plans_[opened_].client_port, plans_[opened_]);
  for (auto& [key, one] : all_) {
    one.tcp->step(now);
    if (one.counted || !one.tcp->done()) continue;
    one.counted = true;
    if (!one.tcp->was_reset()) ++complete_;
  }
}

Nanoseconds SimplePeers::next_deadline() const {
  Nanoseconds next = opens_ && opened_ < plans_.size() ? plans_[opened_].begins : kNever;
  for (const auto& [key, one] : all_) next = std::min(next, one.tcp->deadline());
  return next;
}

bool SimplePeers::done() const {
  const bool begun = !opens_ || opened_ == plans_.size();
  return begun && std::all_of(all_.begin(), all_.end(), [](const auto& each) { return each.second.tcp->done(); });
}

}  // namespace flatproxy::sim
