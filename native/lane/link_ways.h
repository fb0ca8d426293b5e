#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "packet/flow_hash.h"
#include "packet/segment.h"
#include "wire/ethernet.h"

namespace flatproxy {

/// How a frame leaves without any route or neighbour: by which port, from and to which station, in which VLAN, as it
/// was seen of IP packets that came. Bytes in network order.
struct LinkWay {
  uint16_t port = 0;
  uint8_t macs[12] = {};  ///< destination, source
  uint8_t tag[4] = {};    ///< 802.1Q, zeros: none
  uint8_t hops = 0;       ///< TTL or hop limit to leave with, 0: that of a new packet
  uint8_t hops_back = 0;  ///< and of what comes back
  bool operator==(const LinkWay&) const = default;

  /// The way that a received frame came, and how an answer to it leaves.
  static LinkWay taken_by(const Segment* frame);
  LinkWay back() const;
};

/// The ways of a lane's intercepted connections. There are few: those of many connections are the same.
class LinkWays {
 public:
  using Id = uint32_t;
  static constexpr Id kMost = 65536;

  explicit LinkWays(const HashKey& key) : ids_(0, Hash{key}) {}

  /// A way's id, held once more; nothing: there are too many. Ids begin at 1.
  std::optional<Id> hold(const LinkWay& way);
  void hold(Id id) { ++entries_[id - 1].held; }
  void let_go(Id id);
  uint32_t count() const { return static_cast<uint32_t>(ids_.size()); }
  const LinkWay& at(Id id) const { return entries_[id - 1].way; }

  /// Addresses an IP packet of ours, in a frame without a tag, to leave by a way.
  static void address(Segment* frame, const LinkWay& way);

 private:
  struct Entry {
    LinkWay way;
    uint32_t held = 0;
  };
  struct Hash {
    HashKey key;
    size_t operator()(const LinkWay& way) const;
  };

  std::vector<Entry> entries_;
  std::vector<Id> free_;
  std::unordered_map<LinkWay, Id, Hash> ids_;
};

}  // namespace flatproxy
