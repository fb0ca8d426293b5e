#include "rig.h"

#include <cstring>

#include "packet/frame.h"
#include "wire/arp.h"
#include "wire/bytes.h"

namespace flatproxy::bench {
namespace {

constexpr wire::Mac kLeftMac{{2, 0, 0, 0, 0, 1}}, kRightMac{{2, 0, 0, 0, 0, 2}};
constexpr wire::Mac kClientMac{{2, 0, 0, 0, 1, 1}}, kServerMac{{2, 0, 0, 0, 1, 2}};

std::string plan_text(const Rig::Parts& parts, uint32_t flows, bool track_all) {
  std::string text = R"({"generation":1,"base":null,"ports":[
    {"id":0,"name":"left","own":["192.0.2.1/24"],"config":{"type":"memory"}},
    {"id":1,"name":"right","own":["198.51.100.1/24"],"config":{"type":"memory"}}],
    "routes":[{"to":"192.0.2.0/24","port":0},{"to":"198.51.100.0/24","port":1},{"to":"10.0.0.0/8","port":0,"via":"192.0.2.2"}],
    "workloads":)" + parts.workloads +
                     R"(,"services":{"set":)";
  text += parts.services + R"(,"removed":[]},"listeners":)" + parts.listeners + R"(,"httpRoutes":)" +
          parts.http_routes + R"(,"policies":)" + parts.policies + R"(,"accessLog":null,"flows":{"capacity":)" +
          std::to_string(flows) + R"(,"midstream":"adopt","track":")";
  text += track_all ? "all" : "services";
  text += R"(","timeouts":{"tcpSynSent":30000,"tcpSynReceived":30000,"tcpEstablished":7440000,"tcpFinWait":120000,
    "tcpCloseWait":60000,"tcpLastAck":30000,"tcpTimeWait":120000,"tcpClose":10000,"udp":30000,"udpAssured":180000,
    "icmp":30000,"fragment":30000}}})";
  return text;
}

enum ArpOperation : uint8_t { kRequest = 1, kReply = 2 };

/// ARP from a neighbour to the lane: both a request and a reply teach its address (RFC 826).
void send_arp(MemoryPort& port, Buffers& buffers, ArpOperation operation, const wire::Mac& mac, uint32_t address,
              uint32_t own) {
  Segment* frame = buffers.small.allocate();
  uint8_t bytes[42];
  std::memcpy(bytes, port.info().mac.bytes.data(), 6);
  std::memcpy(bytes + 6, mac.bytes.data(), 6);
  wire::store16(bytes + 12, 0x0806);
  const uint8_t head[8] = {0, 1, 8, 0, 6, 4, 0, operation};
  std::memcpy(bytes + 14, head, 8);
  std::memcpy(bytes + 22, mac.bytes.data(), 6);
  wire::store32(bytes + 28, address);
  std::memcpy(bytes + 32, port.info().mac.bytes.data(), 6);
  wire::store32(bytes + 38, own);
  append(frame, bytes, sizeof(bytes), buffers);
  port.inject(0, frame);
}

}  // namespace

Rig::Rig(const Parts& parts, const Lane::Capacity& capacity, bool track_all) {
  const MemoryOptions options{.ring_size = 4096, .same_thread = true};
  const auto open = [&](uint16_t id, const std::string& name, const std::string&) -> std::shared_ptr<Port> {
    PortInfo info;
    info.id = id;
    info.name = name;
    info.mac = id == 0 ? kLeftMac : kRightMac;
    info.offloads = {true, true, true};
    auto port = std::make_shared<MemoryPort>(info, 1, options);
    (id == 0 ? left_ : right_) = port;
    return port;
  };
  snapshot_ = build_snapshot(plan_text(parts, capacity.flows, track_all), nullptr, open);
  shared_ = std::make_unique<LaneShared>(1, capacity.flows, hash_key(1), [] { return uint64_t{4}; });
  lane_ = std::make_unique<Lane>(0, *shared_, capacity);
  lane_->adopt(*snapshot_, now_);
  teach_neighbors();
}

void Rig::teach_neighbors() {
  send_arp(*left_, buffers_, kRequest, kClientMac, 0xc0000202, 0xc0000201);
  for (unsigned i = 0; i < kServers; ++i)
    send_arp(*right_, buffers_, kRequest, kServerMac, kFirstServer + i, 0xc6336401);
  pass();
  drain();
}

uint32_t Rig::drain() {
  uint32_t total = 0;
  for (MemoryPort* port : {left_.get(), right_.get()}) take_all(*port, [&](const Segment*) { ++total; });
  return total;
}

/// The lane confirms its neighbours now and then; who does not answer is given up.
void Rig::answer_arp(MemoryPort& port, const Segment* frame) {
  if (frame->data[21] != kRequest) return;
  const wire::Mac& mac = &port == left_.get() ? kClientMac : kServerMac;
  send_arp(port, buffers_, kReply, mac, wire::load32(frame->data + 38), wire::load32(frame->data + 28));
}

void write_macs(uint8_t* to, bool from_left) {
  std::memcpy(to, (from_left ? kLeftMac : kRightMac).bytes.data(), 6);
  std::memcpy(to + 6, (from_left ? kClientMac : kServerMac).bytes.data(), 6);
}

void write_frame(uint8_t* to, bool from_left, uint32_t source, uint16_t source_port, uint32_t destination,
                 uint16_t destination_port, uint8_t flags, uint32_t sequence, uint32_t ack) {
  std::memset(to, 0, 64);
  write_macs(to, from_left);
  to[12] = 8;
  to[14] = 0x45;
  to[17] = 40;
  to[20] = 0x40;
  to[22] = 64;
  to[23] = 6;
  wire::store32(to + 26, source);
  wire::store32(to + 30, destination);
  constexpr uint32_t kFixed = 0x4500 + 40 + 0x4000 + 0x4006;
  uint32_t sum = kFixed + (source >> 16) + (source & 0xffff) + (destination >> 16) + (destination & 0xffff);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  wire::store16(to + 24, static_cast<uint16_t>(~sum));
  wire::store16(to + 34, source_port);
  wire::store16(to + 36, destination_port);
  wire::store32(to + 38, sequence);
  wire::store32(to + 42, ack);
  to[46] = 0x50;
  to[47] = flags;
  wire::store16(to + 48, 65535);
}

}  // namespace flatproxy::bench
