#include "wire/extensions_of.h"

#include <algorithm>

#include "packet/frame.h"

namespace flatproxy::wire {

Extensions extensions_of(Segment* head, uint32_t l3_offset, uint32_t end) {
  const uint32_t start = l3_offset + kIpv6Size;
  const uint8_t* bytes = head->data + start;
  const uint8_t next_header = head->data[l3_offset + Ipv6View::kNextHeader];
  const uint32_t here = std::min(end, head->length) - start;
  const Extensions found = walk_extensions(next_header, {bytes, here});
  const uint32_t wanted = std::min(end - start, kMaxExtensionBytes);
  if (found.error != ExtensionError::truncated || here >= wanted || !pull_up(head, start + wanted)) return found;
  return walk_extensions(next_header, {bytes, wanted});
}

}  // namespace flatproxy::wire
