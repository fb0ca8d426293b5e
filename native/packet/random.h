#pragma once

#include <bit>
#include <cstdint>

namespace flatproxy {

/// xoshiro256++ (Blackman, Vigna: Scrambled Linear Pseudorandom Number Generators, 2021): numbers that do not repeat,
/// also among many generators. They are no secret: whoever has seen some can tell the next.
class Random {
 public:
  /// @param seed 64 random bits a call
  template <typename Seed>
  explicit Random(const Seed& seed) : state_{seed() | 1, seed(), seed(), seed()} {}

  uint64_t operator()() {
    const uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
    const uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

 private:
  uint64_t state_[4];  // not all zeros
};

}  // namespace flatproxy
