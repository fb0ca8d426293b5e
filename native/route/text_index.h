#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "packet/flow_hash.h"

namespace flatproxy::route {

/// Hash of a text under a seed; every bit of both reaches every bit of it.
inline uint64_t hash_text(uint64_t seed, std::string_view text) {
  const auto word = [](const char* at) {
    uint64_t value;
    std::memcpy(&value, at, 8);
    return value;
  };
  uint64_t hash = seed ^ kBalanceKey.words[0];
  const char* at = text.data();
  size_t left = text.size();
  for (; left >= 8; left -= 8, at += 8) hash = fold_multiply(hash ^ word(at), kBalanceKey.words[1]);
  uint64_t last = 0;
  if (text.size() >= 8) {
    last = word(text.data() + text.size() - 8);  // overlaps what has been read
  } else if (left >= 4) {
    uint32_t first, second;
    std::memcpy(&first, at, 4);
    std::memcpy(&second, at + left - 4, 4);
    last = uint64_t{first} << 32 | second;
  } else {
    for (size_t i = 0; i < left; ++i) last = last << 8 | static_cast<uint8_t>(at[i]);
  }
  return fold_multiply(hash ^ last, kBalanceKey.words[2] ^ text.size());
}

/// Numbers by (scope, text). Filled while a table is built, then read by every lane. Open addressing: requests choose
/// what is looked for, but not what is there, so no lookup can cost more than the longest cluster of what is.
class TextIndex {
 public:
  static constexpr uint32_t kNone = ~0u;

  /// kNone: the text is not in the scope.
  uint32_t find(uint32_t scope, std::string_view text) const {
    const auto hash = static_cast<uint32_t>(hash_text(scope, text) >> 32);
    for (size_t at = hash;; ++at) {
      const Slot& slot = slots_[at & (slots_.size() - 1)];
      if (slot.value == kNone) return kNone;
      if (slot.hash == hash && slot.scope == scope && text_of(slot) == text) return slot.value;
    }
  }
  /// What the text has in the scope; it gets `value` if it has nothing yet.
  uint32_t add(uint32_t scope, std::string_view text, uint32_t value);

 private:
  struct Slot {
    uint32_t hash = 0;
    uint32_t scope = 0;
    uint32_t value = kNone;  // kNone: free
    uint32_t begin = 0;      // in texts_
    uint32_t size = 0;
  };

  std::string_view text_of(const Slot& slot) const { return {texts_.data() + slot.begin, slot.size}; }
  void insert(const Slot& slot);

  std::vector<Slot> slots_ = std::vector<Slot>(16);  // a power of two, at most half full
  std::string texts_;
  size_t used_ = 0;
};

}  // namespace flatproxy::route
