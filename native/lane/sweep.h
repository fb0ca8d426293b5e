#pragma once

#include <cstdint>

namespace flatproxy {

/// Looks once at all that a table has, a slice at a time: nothing else waits for it.
class Sweep {
 public:
  /// So many are looked at in a slice.
  static constexpr uint32_t kSlice = 256;

  /// @param end_costs to end one takes the time of so many looks
  explicit Sweep(uint32_t end_costs) : end_costs_(end_costs) {}

  /// From the beginning; else what was under way ends.
  void start_if(bool needed) {
    next_ = 0;
    running_ = needed;
  }
  bool running() const { return running_; }

  /// @param limit places are below it  @param look whether what is at a place, if anything, was ended
  template <typename Look>
  void go_on(uint32_t limit, Look&& look) {
    for (uint32_t spent = 0; spent < kSlice && running_; ++next_) {
      if (next_ < limit) {
        spent += look(next_) ? end_costs_ : 1;
      } else {
        running_ = false;
      }
    }
  }

 private:
  const uint32_t end_costs_;
  uint32_t next_ = 0;
  bool running_ = false;
};

}  // namespace flatproxy
