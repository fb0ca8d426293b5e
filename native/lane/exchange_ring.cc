#include "lane/exchange_ring.h"

#include <algorithm>
#include <cstring>

namespace flatproxy {

void ExchangeRing::push(const ExchangeRecord& record) {
  Entry entry{.facts = record, .lengths = {}};
  uint32_t size = sizeof(Entry);
  for (uint32_t i = 0; i < kExchangeTexts; ++i) {
    entry.lengths[i] = static_cast<uint16_t>(std::min<size_t>(record.texts[i].size(), kLongestText));
    size += entry.lengths[i];
  }
  std::byte* to = ring_.reserve(size);
  if (to == nullptr) {
    lost_.add(1);
    lost_logged_.add(record.logged ? 1 : 0);
    return;
  }
  std::memcpy(to, &entry, sizeof(entry));
  std::byte* text = to + sizeof(entry);
  for (uint32_t i = 0; i < kExchangeTexts; ++i) {
    if (entry.lengths[i] > 0) std::memcpy(text, record.texts[i].data(), entry.lengths[i]);
    text += entry.lengths[i];
  }
  ring_.commit();
}

/// False: there is none.
bool ExchangeRing::read(ExchangeRecord& record) {
  const std::span<const std::byte> bytes = ring_.read();
  if (bytes.empty()) return false;
  Entry entry;
  std::memcpy(&entry, bytes.data(), sizeof(entry));
  static_cast<ExchangeFacts&>(record) = entry.facts;
  const char* text = reinterpret_cast<const char*>(bytes.data()) + sizeof(entry);
  for (uint32_t i = 0; i < kExchangeTexts; ++i) {
    record.texts[i] = {text, entry.lengths[i]};
    text += entry.lengths[i];
  }
  return true;
}

}  // namespace flatproxy
