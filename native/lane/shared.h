#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "balance/picker.h"
#include "config/snapshot.h"
#include "exchange/relay_limits.h"
#include "lane/handover.h"
#include "lane/owner_directory.h"
#include "lane/rate_limits.h"
#include "packet/buffers.h"
#include "packet/flow_hash.h"
#include "port/sleep_signal.h"
#include "tcp/secrets.h"

namespace flatproxy {

/// All that the lanes of an engine have in common, beside the snapshot.
struct LaneShared {
  /// @param random_bits 64 unpredictable bits a call, for initial sequence numbers
  LaneShared(unsigned lanes, uint64_t flows_in_all, const HashKey& hash_key, std::function<uint64_t()> random_bits)
      : key(hash_key),
        random(std::move(random_bits)),
        tcp_secrets{hash_key, draw(), draw(), draw()},
        relay_limits(hash_key),
        buffers(lanes),
        handover(lanes),
        health(kMaxEndpoints),
        directory(lanes > 1 ? flows_in_all : 0) {
    for (auto& own : buffers) own = std::make_unique<Buffers>();
  }

  HashKey key;
  std::function<uint64_t()> random;
  tcp::Secrets tcp_secrets;
  RelayLimits relay_limits;
  /// By lane, for that lane alone. They are here because a frame may end on another lane than its memory's: pools end
  /// after every lane and ring.
  std::vector<std::unique_ptr<Buffers>> buffers;
  Handover handover;
  EndpointHealth health;
  SharedBuckets buckets_of_policies{kMaxPolicies};
  OwnerDirectory directory;
  std::atomic<bool> refuse_new{false};      ///< draining: flows that run go on, new ones are refused
  std::atomic<bool> want_events{false};     ///< somebody listens to flow events
  std::atomic<bool> want_exchanges{false};  ///< somebody listens to exchanges
  std::atomic<uint32_t> capturing{0};       ///< lanes whose frames may bring along a copy for captures
  SleepSignal exchanges_told;               ///< to whoever takes what lanes tell of exchanges

  unsigned lanes() const { return handover.lanes(); }
  /// Where a flow lives that nobody has opened yet. Both directions of an untranslated one lead here.
  unsigned home(uint64_t hash) const { return static_cast<unsigned>(((hash & 0xffffffffu) * lanes()) >> 32); }

 private:
  tcp::SipKey draw() { return {{random(), random()}}; }
};

}  // namespace flatproxy
