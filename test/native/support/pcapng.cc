#include "support/pcapng.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>

namespace flatproxy::test {
namespace {

/// What is left of a block.
struct Rest {
  const uint8_t* at;
  size_t left;

  template <typename T>
  T take() {
    T value{};
    EXPECT_GE(left, sizeof(T));
    if (left < sizeof(T)) return value;
    std::memcpy(&value, at, sizeof(T));
    skip(sizeof(T));
    return value;
  }
  void skip(size_t n) {
    at += n;
    left -= n;
  }
  std::vector<uint8_t> padded(size_t n) {
    const size_t whole = (n + 3) / 4 * 4;
    EXPECT_GE(left, whole);
    if (left < whole) return {};
    std::vector<uint8_t> bytes(at, at + n);
    for (size_t i = n; i < whole; ++i) EXPECT_EQ(at[i], 0);
    skip(whole);
    return bytes;
  }
  uint64_t time() {
    const uint64_t high = take<uint32_t>();
    return high << 32 | take<uint32_t>();
  }
};

uint64_t number(const std::vector<uint8_t>& value) {
  uint64_t n = 0;
  EXPECT_LE(value.size(), sizeof(n));
  std::memcpy(&n, value.data(), std::min(value.size(), sizeof(n)));
  return n;
}

void take_option(PcapngBlock& block, uint16_t code, const std::vector<uint8_t>& value) {
  const std::string text(value.begin(), value.end());
  switch (block.type << 8 | code) {
    case kSectionBlock << 8 | 4:
    case kInterfaceBlock << 8 | 2:
      block.name = text;
      break;
    case kInterfaceBlock << 8 | 9:
      block.resolution = value.at(0);
      break;
    case kPacketBlock << 8 | 1:
      block.comment = text;
      break;
    case kPacketBlock << 8 | 2:
      block.direction = static_cast<uint32_t>(number(value)) & 3;
      break;
    case kStatisticsBlock << 8 | 2:
      block.begin = std::rotl(number(value), 32);
      break;
    case kStatisticsBlock << 8 | 3:
      block.end = std::rotl(number(value), 32);
      break;
    case kStatisticsBlock << 8 | 4:
      block.received = number(value);
      break;
    case kStatisticsBlock << 8 | 5:
      block.dropped = number(value);
      break;
    case kStatisticsBlock << 8 | 6:
      block.accepted = number(value);
      break;
    default:
      ADD_FAILURE() << "option " << code << " of a block " << block.type;
  }
}

void take_fixed(PcapngBlock& block, Rest& rest) {
  switch (block.type) {
    case kSectionBlock:
      EXPECT_EQ(rest.take<uint32_t>(), 0x1a2b3c4du);
      EXPECT_EQ(rest.take<uint32_t>(), 1u) << "version 1.0";
      EXPECT_EQ(rest.take<uint64_t>(), ~uint64_t{0});
      break;
    case kInterfaceBlock:
      EXPECT_EQ(rest.take<uint32_t>(), 1u) << "Ethernet";
      block.snap_length = rest.take<uint32_t>();
      break;
    case kPacketBlock:
      block.interface = rest.take<uint32_t>();
      block.time = rest.time();
      block.captured = rest.take<uint32_t>();
      block.original = rest.take<uint32_t>();
      block.bytes = rest.padded(block.captured);
      break;
    case kStatisticsBlock:
      block.interface = rest.take<uint32_t>();
      block.time = rest.time();
      break;
    default:
      ADD_FAILURE() << "a block of type " << block.type;
  }
}

PcapngBlock read_block(Rest rest) {
  PcapngBlock block;
  block.type = rest.take<uint32_t>();
  rest.take<uint32_t>();
  take_fixed(block, rest);
  for (bool ended = rest.left == 0; !ended && rest.left >= 4;) {
    const auto code = rest.take<uint16_t>();
    const std::vector<uint8_t> value = rest.padded(rest.take<uint16_t>());
    ended = code == 0;
    if (ended) {
      EXPECT_EQ(rest.left, 0u) << "behind the end of options";
    } else {
      take_option(block, code, value);
    }
  }
  return block;
}

}  // namespace

std::vector<PcapngBlock> read_pcapng(const std::vector<uint8_t>& bytes) {
  std::vector<PcapngBlock> blocks;
  for (size_t at = 0; at < bytes.size();) {
    uint32_t length = 0;
    uint32_t again = 0;
    EXPECT_GE(bytes.size() - at, 12u);
    if (bytes.size() - at < 12) return blocks;
    std::memcpy(&length, bytes.data() + at + 4, 4);
    EXPECT_EQ(length % 4, 0u);
    EXPECT_LE(length, bytes.size() - at);
    if (length < 12 || length > bytes.size() - at) return blocks;
    std::memcpy(&again, bytes.data() + at + length - 4, 4);
    EXPECT_EQ(again, length);
    blocks.push_back(read_block({bytes.data() + at, length - 4}));
    at += length;
  }
  return blocks;
}

}  // namespace flatproxy::test
