#include "lane/exchange_ring.h"

#include <algorithm>

namespace flatproxy {
namespace {

constexpr uint32_t kAlignment = 8;

}  // namespace

void ExchangeRing::push(const ExchangeRecord& record) {
  Entry entry{.size = sizeof(Entry), .holds = 1, .facts = record, .lengths = {}};
  for (uint32_t i = 0; i < kExchangeTexts; ++i) {
    entry.lengths[i] = static_cast<uint16_t>(std::min<size_t>(record.texts[i].size(), kLongestText));
    entry.size += entry.lengths[i];
  }
  entry.size = (entry.size + kAlignment - 1) / kAlignment * kAlignment;
  uint64_t tail = tail_.load(std::memory_order_relaxed);
  if (!find_room(entry.size, tail)) {
    lost_.add(1);
    lost_logged_.add(record.logged ? 1 : 0);
    return;
  }
  std::memcpy(at(tail), &entry, sizeof(entry));
  std::byte* text = at(tail) + sizeof(entry);
  for (uint32_t i = 0; i < kExchangeTexts; ++i) {
    if (entry.lengths[i] > 0) std::memcpy(text, record.texts[i].data(), entry.lengths[i]);
    text += entry.lengths[i];
  }
  tail_.store(tail + entry.size, std::memory_order_release);
}

/// A record lies in one piece: what is left at the ring's end is passed over. False: there is no room.
bool ExchangeRing::find_room(uint32_t size, uint64_t& tail) {
  const auto to_end = static_cast<uint32_t>(kSize - tail % kSize);
  const uint32_t skipped = to_end < size ? to_end : 0;
  if (tail + skipped + size - head_.load(std::memory_order_acquire) > kSize) return false;
  if (skipped > 0) {
    const uint32_t skip[2] = {skipped, 0};
    std::memcpy(at(tail), skip, sizeof(skip));
    tail += skipped;
  }
  return true;
}

/// Returns how many bytes the record holds; 0: there is none.
uint32_t ExchangeRing::read(ExchangeRecord& record) {
  uint64_t head = head_.load(std::memory_order_relaxed);
  if (head == tail_.load(std::memory_order_acquire)) return 0;
  uint32_t front[2];
  std::memcpy(front, at(head), sizeof(front));
  if (front[1] == 0) {
    head += front[0];
    head_.store(head, std::memory_order_release);
  }
  Entry entry;
  std::memcpy(&entry, at(head), sizeof(entry));
  static_cast<ExchangeFacts&>(record) = entry.facts;
  const char* text = reinterpret_cast<const char*>(at(head)) + sizeof(entry);
  for (uint32_t i = 0; i < kExchangeTexts; ++i) {
    record.texts[i] = {text, entry.lengths[i]};
    text += entry.lengths[i];
  }
  return entry.size;
}

}  // namespace flatproxy
