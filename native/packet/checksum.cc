#include "packet/checksum.h"

#include <bit>
#include <cstring>

namespace flatproxy {

static_assert(std::endian::native == std::endian::little, "in_memory_order() swaps");

uint64_t ones_sum(const uint8_t* bytes, uint32_t n, uint64_t sum) {
  for (; n >= 4; bytes += 4, n -= 4) {
    uint32_t word;
    std::memcpy(&word, bytes, 4);
    sum += word;
  }
  uint32_t rest = 0;
  std::memcpy(&rest, bytes, n);
  return sum + rest;
}

uint64_t ones_sum(const Segment* head, uint32_t offset, uint64_t sum) {
  const Segment* s = head;
  for (; s != nullptr && offset >= s->length; s = s->next) offset -= s->length;
  bool odd = false;
  for (; s != nullptr; s = s->next, offset = 0) {
    const uint32_t n = s->length - offset;
    // At an odd place each byte is in the other half of its word (RFC 1071 section 2 B).
    const uint16_t part = fold(ones_sum(s->data + offset, n));
    sum += odd ? __builtin_bswap16(part) : part;
    odd ^= (n & 1) != 0;
  }
  return sum;
}

}  // namespace flatproxy
