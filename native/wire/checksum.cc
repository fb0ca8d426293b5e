#include "wire/checksum.h"

#include <algorithm>

#include "wire/protocol.h"

namespace flatproxy::wire {
namespace {

uint64_t rotate_odd(uint64_t sum) { return __builtin_bswap16(fold(sum)); }

}  // namespace

uint64_t sum_bytes(const uint8_t* p, size_t n, uint64_t sum) {
  uint64_t other = 0;
  for (; n >= 32; p += 32, n -= 32) {  // two carry chains
    sum = sum_add(sum, load64_raw(p));
    other = sum_add(other, load64_raw(p + 8));
    sum = sum_add(sum, load64_raw(p + 16));
    other = sum_add(other, load64_raw(p + 24));
  }
  sum = sum_add(sum, other);
  for (; n >= 8; p += 8, n -= 8) sum = sum_add(sum, load64_raw(p));
  if (n == 0) return sum;
  uint64_t tail = 0;
  std::memcpy(&tail, p, n);
  return sum_add(sum, tail);
}

uint64_t sum_chain(const Segment* head, uint32_t offset, uint32_t n, uint64_t sum) {
  bool odd = false;
  for (const Segment* s = head; s != nullptr && n > 0; s = s->next) {
    if (offset >= s->length) {
      offset -= s->length;
      continue;
    }
    const uint32_t take = std::min(n, s->length - offset);
    const uint64_t part = sum_bytes(s->data + offset, take);
    sum = sum_add(sum, odd ? rotate_odd(part) : part);
    odd ^= (take & 1) != 0;
    n -= take;
    offset = 0;
  }
  return sum;
}

uint64_t sum_pseudo_header(const Address& source, const Address& destination, uint8_t protocol, uint32_t l4_length) {
  uint64_t sum = uint64_t{__builtin_bswap32(l4_length)} + (uint64_t{protocol} << 24);
  if (source.is_v4()) return sum + source.v4() + destination.v4();
  for (const Address* a : {&source, &destination}) sum = sum_bytes(a->bytes.data(), 16, sum);
  return sum;
}

uint64_t sum_l4(const Segment* head) {
  const uint8_t* l3 = head->data + head->l3_offset;
  uint64_t sum = 0;
  if (head->protocol != protocol::kIcmp) {
    sum = uint64_t{__builtin_bswap32(head->l4_length)} + (uint64_t{head->protocol} << 24);
    sum = head->family == 4 ? sum_bytes(l3 + 12, 8, sum) : sum_bytes(l3 + 8, 32, sum);
  }
  return sum_chain(head, head->l4_offset, head->l4_length, sum);
}

}  // namespace flatproxy::wire
