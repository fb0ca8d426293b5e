#include "lane/link_ways.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "wire/bytes.h"
#include "wire/checksum_delta.h"
#include "wire/ipv4.h"

namespace flatproxy {

namespace {

// Where TTL or hop limit stands in an IP header.
uint32_t hops_offset(const Segment* frame) { return frame->family == 4 ? 8 : 7; }

void write_hops(Segment* frame, uint8_t hops) {
  uint8_t* ip = frame->data + frame->l3_offset;
  uint8_t* at = ip + (hops_offset(frame) & ~1u);  // the 16-bit word of it
  uint8_t word[2] = {at[0], at[1]};
  word[hops_offset(frame) & 1] = hops;
  if (frame->family == 4) {
    wire::ChecksumDelta delta;
    delta.replace(at, word, sizeof(word));
    uint16_t sum;
    std::memcpy(&sum, ip + wire::Ipv4View::kChecksum, sizeof(sum));
    sum = delta.applied_to(sum);
    std::memcpy(ip + wire::Ipv4View::kChecksum, &sum, sizeof(sum));
  }
  std::memcpy(at, word, sizeof(word));
}

}  // namespace

LinkWay LinkWay::taken_by(const Segment* frame) {
  LinkWay way;
  way.port = frame->port;
  std::memcpy(way.macs, frame->data, sizeof(way.macs));
  if (frame->l3_offset != wire::kEthernetSize) std::memcpy(way.tag, frame->data + sizeof(way.macs), sizeof(way.tag));
  way.hops = frame->data[frame->l3_offset + hops_offset(frame)];
  return way;
}

LinkWay LinkWay::back() const {
  LinkWay way = *this;
  std::rotate(way.macs, way.macs + 6, way.macs + 12);
  std::swap(way.hops, way.hops_back);
  return way;
}

size_t LinkWays::Hash::operator()(const LinkWay& way) const {
  const uint64_t low = wire::load64_raw(way.macs);
  const uint64_t high = uint64_t{wire::load32_raw(way.macs + 8)} << 32 | wire::load32_raw(way.tag);
  const uint64_t rest = uint64_t{way.port} << 16 | uint64_t{way.hops} << 8 | way.hops_back;
  const uint64_t hash = fold_multiply(low ^ key.words[0], high ^ key.words[1]);
  return fold_multiply(hash ^ rest, key.words[2]);
}

std::optional<LinkWays::Id> LinkWays::hold(const LinkWay& way) {
  if (const auto known = ids_.find(way); known != ids_.end()) {
    hold(known->second);
    return known->second;
  }
  if (ids_.size() == kMost) return std::nullopt;
  Id id = 0;
  if (free_.empty()) {
    entries_.emplace_back();
    id = static_cast<Id>(entries_.size());
  } else {
    id = free_.back();
    free_.pop_back();
  }
  entries_[id - 1] = {way, 1};
  ids_.emplace(way, id);
  return id;
}

void LinkWays::let_go(Id id) {
  Entry& entry = entries_[id - 1];
  if (--entry.held > 0) return;
  ids_.erase(entry.way);
  free_.push_back(id);
}

void LinkWays::address(Segment* frame, const LinkWay& way) {
  if (way.hops != 0) write_hops(frame, way.hops);
  constexpr uint32_t kTag = sizeof(way.tag);
  const bool tagged = wire::load32_raw(way.tag) != 0;
  if (tagged) {
    uint8_t* type = frame->prepend(kTag) + sizeof(way.macs);
    std::memcpy(type, way.tag, kTag);
    frame->l3_offset = static_cast<uint16_t>(frame->l3_offset + kTag);
    frame->l4_offset = static_cast<uint16_t>(frame->l4_offset + kTag);
    frame->payload_offset = static_cast<uint16_t>(frame->payload_offset + kTag);
    frame->checksum_start = static_cast<uint16_t>(frame->checksum_start + kTag);
  }
  std::memcpy(frame->data, way.macs, sizeof(way.macs));
}

}  // namespace flatproxy
