#pragma once

#include <array>
#include <cstdint>

#include "conntrack/flow.h"

namespace flatproxy {

/// A timing wheel of flows, linked through their cold records. It is lazy: a packet only writes last_seen, and a flow
/// that fires early is put in again. Adding, removing and finding the one nearest to its end are O(1). Times wrap every
/// 49 days; what is compared must lie within 24 of each other.
class ExpiryWheel {
 public:
  static constexpr uint32_t kTick = 128;    ///< milliseconds
  static constexpr uint32_t kSlots = 4096;  ///< a horizon of 524 s; what ends later fires there and is put in again

  explicit ExpiryWheel(FlowCold* flows) : flows_(flows) { heads_.fill(kNoFlow); }

  /// @param when the time, in milliseconds, at which the flow is to fire
  void add(FlowId id, uint32_t when);
  void remove(FlowId id);
  /// The flow that fires next or one that fires within the same tick; kNoFlow when the wheel is empty.
  FlowId nearest() const;
  /// Takes out a flow whose time has come, or returns kNoFlow: all that is due at `now` has been taken.
  FlowId take_due(uint32_t now);
  uint32_t size() const { return size_; }

 private:
  static constexpr uint32_t kWords = kSlots / 64;
  void unlink(FlowId id, uint32_t slot);

  FlowCold* flows_;
  uint32_t size_ = 0;
  uint32_t base_ = 0;     // milliseconds, a multiple of kTick: its slot is the next to be emptied
  uint64_t summary_ = 0;  // bit w: occupied_[w] is not zero
  std::array<uint64_t, kWords> occupied_{};
  std::array<FlowId, kSlots> heads_;
};

}  // namespace flatproxy
