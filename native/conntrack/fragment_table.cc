#include "conntrack/fragment_table.h"

#include "packet/frame.h"
#include "wire/bytes.h"
#include "wire/fragment.h"

namespace flatproxy {

FragmentTable::~FragmentTable() {
  for (auto& [key, packet] : packets_) {
    for (Segment* frame : packet.waiting) release(frame);
  }
}

FragmentTable::Key FragmentTable::key_of(const Segment* fragment, uint16_t zone) {
  const uint8_t* ip = fragment->data + fragment->l3_offset;
  Key key;
  if (fragment->family == 4) {
    key.source = wire::Address::from_v4(ip + 12);
    key.destination = wire::Address::from_v4(ip + 16);
  } else {
    key.source = wire::Address::from_v6(ip + 8);
    key.destination = wire::Address::from_v6(ip + 24);
  }
  key.identification = wire::fragment_of(fragment).identification;
  key.protocol = fragment->protocol;
  key.zone = zone;
  return key;
}

size_t FragmentTable::Hash::operator()(const Key& key) const {
  const Tuple t{key.source,
                key.destination,
                static_cast<uint16_t>(key.identification >> 16),
                static_cast<uint16_t>(key.identification),
                key.protocol,
                6,
                key.zone};
  return flow_hash(t, secret);
}

void FragmentTable::learn(Packet& packet, const Segment* first) {
  constexpr uint8_t kTcp = 6;
  packet.first_seen = true;
  packet.ports = first->l4_ports;
  if (first->protocol == kTcp) {
    const uint8_t* tcp = first->data + first->l4_offset;
    packet.tcp_base = wire::load32(tcp + 4) - static_cast<uint32_t>(tcp[12] >> 4) * 4;
  }
}

void FragmentTable::follow(Segment* fragment, const Packet& packet) {
  fragment->l4_ports = packet.ports;
  fragment->fragment_end = packet.tcp_base + wire::fragment_of(fragment).offset + fragment->l4_length;
  fragment->flags |= kFragmentPlaced;
}

FragmentTable::Outcome FragmentTable::place(Segment* fragment, uint16_t zone, uint32_t now, uint32_t timeout,
                                            std::vector<Segment*>& released, Reason& why) {
  const Key key = key_of(fragment, zone);
  auto found = packets_.find(key);
  if (found == packets_.end()) {
    if (packets_.size() >= kMaxPackets) {
      why = Reason::fragment_table_full;
      return Outcome::refused;
    }
    found = packets_.emplace(key, Packet{}).first;
    found->second.deadline = now + timeout;
  }
  Packet& packet = found->second;
  if ((fragment->flags & kFirstFragment) != 0) {
    // A second first fragment does not change what the later ones follow (RFC 5722 is the endpoint's to obey).
    if (!packet.first_seen) learn(packet, fragment);
    fragment->flags |= kFragmentPlaced;
    for (Segment* frame : packet.waiting) {
      follow(frame, packet);
      released.push_back(frame);
    }
    waiting_ -= static_cast<uint32_t>(packet.waiting.size());
    packet.waiting.clear();
    return Outcome::placed;
  }
  if (packet.first_seen) {
    follow(fragment, packet);
    return Outcome::placed;
  }
  if (waiting_ >= kMaxWaiting || packet.waiting.size() >= kMaxWaitingPerPacket) {
    why = Reason::fragment_table_full;
    return Outcome::refused;
  }
  packet.waiting.push_back(fragment);
  ++waiting_;
  return Outcome::waiting;
}

std::optional<uint32_t> FragmentTable::ports_of(const Segment* fragment, uint16_t zone) const {
  const auto found = packets_.find(key_of(fragment, zone));
  if (found == packets_.end() || !found->second.first_seen) return std::nullopt;
  return found->second.ports;
}

void FragmentTable::expire(uint32_t now, std::vector<Segment*>& abandoned) {
  for (auto it = packets_.begin(); it != packets_.end();) {
    Packet& packet = it->second;
    if (static_cast<int32_t>(now - packet.deadline) < 0) {
      ++it;
      continue;
    }
    abandoned.insert(abandoned.end(), packet.waiting.begin(), packet.waiting.end());
    waiting_ -= static_cast<uint32_t>(packet.waiting.size());
    it = packets_.erase(it);
  }
}

}  // namespace flatproxy
