#include "route/text_index.h"

#include <utility>

namespace flatproxy::route {

uint32_t TextIndex::add(uint32_t scope, std::string_view text, uint32_t value) {
  const uint32_t known = find(scope, text);
  if (known != kNone) return known;
  if (++used_ * 2 > slots_.size()) {
    const std::vector<Slot> before = std::exchange(slots_, std::vector<Slot>(slots_.size() * 2));
    for (const Slot& slot : before) {
      if (slot.value != kNone) insert(slot);
    }
  }
  insert({static_cast<uint32_t>(hash_text(scope, text) >> 32), scope, value, static_cast<uint32_t>(texts_.size()),
          static_cast<uint32_t>(text.size())});
  texts_ += text;
  return value;
}

void TextIndex::insert(const Slot& slot) {
  size_t at = slot.hash;
  while (slots_[at & (slots_.size() - 1)].value != kNone) ++at;
  slots_[at & (slots_.size() - 1)] = slot;
}

}  // namespace flatproxy::route
