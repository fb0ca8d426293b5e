#include "config/affinity_table.h"

#include <algorithm>
#include <charconv>

#include "packet/flow_hash.h"

namespace flatproxy {
namespace {

constexpr HashKey kAffinityKey = hash_key(0x666c617470726f78);

}  // namespace

uint64_t affinity_value(const wire::Address& address, uint16_t port) {
  return fold_multiply(hash_end(address, port, 6, kAffinityKey) ^ kAffinityKey.words[1], kAffinityKey.words[2]);
}

AffinityText affinity_text(uint64_t value) {
  AffinityText text;
  for (size_t i = text.size(); i-- > 0; value >>= 4) text[i] = "0123456789abcdef"[value & 15];
  return text;
}

AffinityTable::AffinityTable(std::vector<Entry> entries) : entries_(std::move(entries)) {
  std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.value < b.value; });
}

uint32_t AffinityTable::find(std::string_view text) const {
  const char* const end = text.data() + text.size();
  uint64_t value = 0;
  if (text.size() != AffinityText().size() || std::from_chars(text.data(), end, value, 16).ptr != end) return kNone;
  const auto before = [](const Entry& entry, uint64_t wanted) { return entry.value < wanted; };
  const auto found = std::lower_bound(entries_.begin(), entries_.end(), value, before);
  return found != entries_.end() && found->value == value ? found->index : kNone;
}

}  // namespace flatproxy
