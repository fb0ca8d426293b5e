#include "port/vnet_header.h"

#include <algorithm>

namespace flatproxy {
namespace {

// clang-format off
constexpr uint8_t kFlagNeedsChecksum = 1, kFlagDataValid = 2;
constexpr uint8_t kGsoTypeNone = 0, kGsoTypeTcp4 = 1, kGsoTypeTcp6 = 4, kGsoTypeEcn = 0x80;
// clang-format on
constexpr uint32_t kEthernetHeader = 14;
constexpr uint32_t kTcpHeader = 20;
constexpr uint32_t kShortFrame = 2048;  // shorter frames the kernel keeps contiguous in any case
constexpr uint32_t kLinearPart = 128;   // of a longer one without GSO: enough for its headers

uint16_t gso_flag(uint8_t type) {
  if (type == kGsoTypeTcp4) return kGsoTcp4;
  return type == kGsoTypeTcp6 ? kGsoTcp6 : 0;
}

// How much of the frame the kernel shall keep contiguous; 0 would make it put headers into pages and pull them up
// later.
uint32_t linear_part(const Segment* head) {
  const uint32_t l4 = head->checksum_start;
  if (head->gso_size != 0 && l4 + kTcpHeader <= head->length) {
    return std::min(l4 + (head->data[l4 + 12] >> 4) * 4u, head->length);
  }
  return head->frame_length <= kShortFrame ? 0 : std::min(head->length, kLinearPart);
}

}  // namespace

bool vnet_parse(const VnetHeader& header, Segment* head) {
  head->flags = (header.flags & kFlagDataValid) != 0 ? kChecksumValid : 0;
  head->gso_size = 0;
  if ((header.flags & kFlagNeedsChecksum) != 0) {
    const uint32_t field = uint32_t{header.checksum_start} + header.checksum_offset;
    if (header.checksum_start < kEthernetHeader || field + 2 > head->frame_length) return false;
    head->flags = kNeedsChecksum;
    head->checksum_start = header.checksum_start;
    head->checksum_offset = header.checksum_offset;
  }
  const uint8_t gso = header.gso_type & static_cast<uint8_t>(~kGsoTypeEcn);
  if (gso == kGsoTypeNone) return true;
  const uint16_t flag = gso_flag(gso);
  if (flag == 0 || header.gso_size == 0 || (head->flags & kNeedsChecksum) == 0) return false;
  if (header.checksum_start + kTcpHeader > head->frame_length) return false;
  head->flags |= flag;
  if ((header.gso_type & kGsoTypeEcn) != 0) head->flags |= kGsoEcn;
  head->gso_size = header.gso_size;
  return true;
}

VnetHeader vnet_emit(const Segment* head) {
  VnetHeader header{};
  if ((head->flags & kNeedsChecksum) != 0) {
    header.flags = kFlagNeedsChecksum;
    header.checksum_start = head->checksum_start;
    header.checksum_offset = head->checksum_offset;
  } else if ((head->flags & kChecksumValid) != 0) {
    header.flags = kFlagDataValid;
  }
  if ((head->flags & (kGsoTcp4 | kGsoTcp6)) != 0) {
    header.gso_type = (head->flags & kGsoTcp4) != 0 ? kGsoTypeTcp4 : kGsoTypeTcp6;
    if ((head->flags & kGsoEcn) != 0) header.gso_type |= kGsoTypeEcn;
    header.gso_size = head->gso_size;
  }
  header.header_length = static_cast<uint16_t>(linear_part(head));
  return header;
}

}  // namespace flatproxy
