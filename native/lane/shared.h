#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "balance/picker.h"
#include "lane/handover.h"
#include "lane/owner_directory.h"
#include "packet/flow_hash.h"

namespace flatproxy {

/// All that the lanes of an engine have in common, beside the snapshot.
struct LaneShared {
  LaneShared(unsigned lanes, uint64_t flows_in_all, const HashKey& hash_key)
      : key(hash_key), handover(lanes), health(kMaxEndpointIds), directory(lanes > 1 ? flows_in_all : 0) {}
  static constexpr uint32_t kMaxEndpointIds = 1u << 20;

  HashKey key;
  Handover handover;
  EndpointHealth health;
  OwnerDirectory directory;
  std::atomic<bool> refuse_new{false};   ///< draining: flows that run go on, new ones are refused
  std::atomic<bool> want_events{false};  ///< somebody listens to flow events

  unsigned lanes() const { return handover.lanes(); }
  /// Where a flow lives that nobody has opened yet. Both directions of an untranslated one lead here.
  unsigned home(uint64_t hash) const {
    return static_cast<unsigned>(((hash & 0xffffffffu) * lanes()) >> 32);
  }
};

}  // namespace flatproxy
