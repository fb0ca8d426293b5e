#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

#include "packet/segment.h"

namespace flatproxy::tcp {

/// The slack of a lane's wheels, see TimerWheel: an eighth, as Linux's own timers have it.
constexpr uint32_t kTimerSlack = 3;

/// An item's place in a timing wheel.
struct WheelNode {
  static constexpr uint32_t kNone = ~0u;
  static constexpr uint16_t kIdle = 0xffff;
  uint32_t next = kNone;
  uint32_t previous = kNone;
  uint32_t tick = 0;      ///< when it fires, the lower half
  uint16_t slot = kIdle;  ///< kIdle: it is in no wheel
  bool armed() const { return slot != kIdle; }
};

/// A hierarchical timing wheel (Varghese and Lauck) of items that are known by their index: six levels of 64 slots,
/// each slot of a level as long as a whole turn of the one below. Setting, clearing and firing are O(1), an item moves
/// down at most five times; nothing fires early, and at most one tick late, plus the slack that its owner allows. Ticks
/// are milliseconds; what is set further ahead than kHorizon, twelve days, fires there and is for its owner to set
/// again.
/// @tparam Nodes WheelNode& operator()(uint32_t index)
template <typename Nodes>
class TimerWheel {
 public:
  static constexpr Nanoseconds kTick = 1'000'000;
  static constexpr uint64_t kHorizon = 1u << 30;

  static constexpr uint64_t kMostSlack = 16;  ///< ticks

  /// @param slack an item may fire later by its time over two to this power, up to kMostSlack, so that one waking of
  /// the owner serves many; 0: not at all
  explicit TimerWheel(Nodes nodes, uint32_t slack = 0) : nodes_(nodes), slack_(slack) { heads_.fill(WheelNode::kNone); }

  /// Starts the clock; before any item is set.
  void start(Nanoseconds now) { now_ = now / kTick; }

  /// Sets an item, set already or not. @param when in the past: at the next tick
  void set(uint32_t index, Nanoseconds when) {
    clear(index);
    WheelNode& node = nodes_(index);
    node.tick = static_cast<uint32_t>(tick_of(when));
    link(index, node);
  }
  /// Whether an item is set to fire no later than that.
  bool fires_by(uint32_t index, Nanoseconds when) const {
    const WheelNode& node = nodes_(index);
    if (!node.armed()) return false;
    // Mostly it fires long before.
    return whole(node.tick) * kTick <= when ||
           static_cast<int32_t>(node.tick - static_cast<uint32_t>(tick_of(when))) <= 0;
  }
  void clear(uint32_t index) {
    WheelNode& node = nodes_(index);
    if (!node.armed()) return;
    if (node.next != WheelNode::kNone) nodes_(node.next).previous = node.previous;
    if (node.previous != WheelNode::kNone) {
      nodes_(node.previous).next = node.next;
    } else {
      heads_[node.slot] = node.next;
      if (node.next == WheelNode::kNone) occupied_[node.slot / kSlots] &= ~(uint64_t{1} << node.slot % kSlots);
    }
    node.slot = WheelNode::kIdle;
  }

  /// Calls fire(index) for every item whose time has come; it is in the wheel no more and may be set again.
  template <typename Fire>
  void advance(Nanoseconds now, Fire&& fire) {
    const uint64_t end = now / kTick;
    while (now_ < end) {
      const uint64_t step = ticks_to_next();
      if (step > end - now_) {
        now_ = end;
        return;
      }
      now_ += step;
      turn();
      while (heads_[now_ % kSlots] != WheelNode::kNone) {
        const uint32_t index = heads_[now_ % kSlots];
        clear(index);
        fire(index);
      }
    }
  }

  /// When advance() has something to do next, at the latest; kNever: the wheel is empty. It may be early: items in
  /// the upper levels are first moved down.
  Nanoseconds next() const {
    const uint64_t step = ticks_to_next();
    return step == kNothing ? kNever : (now_ + step) * kTick;
  }

 private:
  static constexpr uint32_t kLevels = 6, kBits = 6, kSlots = 1 << kBits;
  static constexpr uint64_t kNothing = ~uint64_t{0};

  uint64_t tick_of(Nanoseconds when) const {
    const uint64_t tick = std::clamp(when / kTick + (when % kTick != 0), now_ + 1, now_ + kHorizon);
    if (slack_ == 0) return tick;
    const uint64_t grid = std::bit_floor(std::clamp<uint64_t>((tick - now_) >> slack_, 1, kMostSlack));
    return (tick + grid - 1) & ~(grid - 1);
  }

  // The tick, not before now, of which a node keeps the lower half.
  uint64_t whole(uint32_t tick) const { return now_ + (tick - static_cast<uint32_t>(now_)); }

  // The lowest level in whose present turn the tick lies: an upper level's own slot of now is always empty.
  void link(uint32_t index, WheelNode& node) {
    const uint64_t tick = whole(node.tick);
    const auto differing = static_cast<uint32_t>(std::bit_width(tick ^ now_));
    const uint32_t level = differing == 0 ? 0 : std::min((differing - 1) / kBits, kLevels - 1);
    const uint32_t slot = level * kSlots + static_cast<uint32_t>(tick >> level * kBits) % kSlots;
    node.slot = static_cast<uint16_t>(slot);
    node.previous = WheelNode::kNone;
    node.next = heads_[slot];
    if (node.next != WheelNode::kNone) nodes_(node.next).previous = index;
    heads_[slot] = index;
    occupied_[level] |= uint64_t{1} << slot % kSlots;
  }

  // Moves what lies in the upper levels' slots of now to where it belongs.
  void turn() {
    for (uint32_t level = 1; level < kLevels && (now_ & ((uint64_t{1} << level * kBits) - 1)) == 0; ++level) {
      const uint32_t slot = level * kSlots + static_cast<uint32_t>(now_ >> level * kBits) % kSlots;
      uint32_t index = heads_[slot];
      heads_[slot] = WheelNode::kNone;
      occupied_[level] &= ~(uint64_t{1} << slot % kSlots);
      while (index != WheelNode::kNone) {
        WheelNode& node = nodes_(index);
        const uint32_t next = node.next;
        link(index, node);
        index = next;
      }
    }
  }

  // Ticks until the next occupied slot begins, on whichever level.
  uint64_t ticks_to_next() const {
    uint64_t nearest = kNothing;
    for (uint32_t level = 0; level < kLevels; ++level) {
      if (occupied_[level] == 0) continue;
      const uint64_t unit = uint64_t{1} << level * kBits;
      const uint64_t position = now_ >> level * kBits;
      // Slots from the one after now, round to now's own: the latter lies a whole turn ahead.
      const int shift = static_cast<int>((position + 1) % kSlots);
      const uint64_t slots = 1 + static_cast<uint64_t>(std::countr_zero(std::rotr(occupied_[level], shift)));
      nearest = std::min(nearest, slots * unit - (now_ & (unit - 1)));
    }
    return nearest;
  }

  Nodes nodes_;
  uint32_t slack_;
  uint64_t now_ = 0;  // in ticks
  std::array<uint64_t, kLevels> occupied_{};
  std::array<uint32_t, kLevels * kSlots> heads_;
};

}  // namespace flatproxy::tcp
