#include "wire/checksum.h"

#include <gtest/gtest.h>

#include <random>

#include "wire_frames.h"

namespace flatproxy::wire {
namespace {

using test::address;

uint16_t naive(Bytes bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); i += 2) sum += bytes[i] << 8 | (i + 1 < bytes.size() ? bytes[i + 1] : 0);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

std::vector<uint8_t> random_bytes(std::mt19937& random, size_t n) {
  std::vector<uint8_t> bytes(n);
  const uint32_t kind = random() % 4;
  for (auto& byte : bytes) byte = kind == 0 ? 0xff : kind == 1 ? 0 : static_cast<uint8_t>(random());
  return bytes;
}

TEST(Checksum, Rfc1071Example) {
  const auto bytes = test::from_hex("0001 f203 f4f5 f6f7");
  EXPECT_EQ(checksum(bytes), static_cast<uint16_t>(~0xddf2));
}

TEST(Checksum, EqualsTheNaiveOne) {
  std::mt19937 random(2);
  for (int i = 0; i < 3000; ++i) {
    const auto bytes = random_bytes(random, random() % 200);
    ASSERT_EQ(checksum(bytes), naive(bytes));
  }
  const std::vector<uint8_t> large(65535, 0xff);
  EXPECT_EQ(checksum(large), naive(large));
}

TEST(Checksum, ChainsEqualTheirBytes) {
  std::mt19937 random(3);
  test::Frames frames;
  for (int i = 0; i < 1000; ++i) {
    const auto bytes = random_bytes(random, 1 + random() % 300);
    const uint32_t splits[] = {static_cast<uint32_t>(random() % 80), static_cast<uint32_t>(random() % 80), 0,
                               static_cast<uint32_t>(random() % 80)};
    Segment* head = frames.make(bytes, splits);
    const auto offset = static_cast<uint32_t>(random() % bytes.size());
    const auto n = static_cast<uint32_t>(random() % (bytes.size() - offset + 1));
    ASSERT_EQ(finish(sum_chain(head, offset, n)), naive(Bytes(bytes).subspan(offset, n)));
    release(head);
  }
}

TEST(Checksum, PseudoHeaders) {
  const auto v4 = test::from_hex("0a000001 0a000002 0011 0123");
  EXPECT_EQ(finish(sum_pseudo_header(address("10.0.0.1"), address("10.0.0.2"), 17, 0x123)), naive(v4));
  const auto v6 = test::from_hex("20010db8000000000000000000000001 20010db8000000000000000000000002 00010123 0000003a");
  EXPECT_EQ(finish(sum_pseudo_header(address("2001:db8::1"), address("2001:db8::2"), 58, 0x10123)), naive(v6));
}

// RFC 1624 section 4.
TEST(ChecksumAdjust, Rfc1624Example) { EXPECT_EQ(checksum_adjust(0xdd2f, 0x5555, 0x3285), 0x0000); }

TEST(ChecksumAdjust, EqualsAFullComputation) {
  std::mt19937 random(4);
  const uint16_t corners[] = {0, 1, 0x7fff, 0x8000, 0xfffe, 0xffff};
  const auto word = [&] { return random() % 2 != 0 ? corners[random() % 6] : static_cast<uint16_t>(random()); };
  for (int i = 0; i < 200000; ++i) {
    uint8_t data[24];
    for (int w = 0; w < 24; w += 2) store16(data + w, word());
    data[0] |= 1;  // as a version or a protocol number is: never all zero
    const uint16_t before = naive(data);
    const uint32_t old_word = load16(data + 4);
    const uint32_t old_long = load32(data + 8);
    store16(data + 4, word());
    const uint16_t after16 = naive(data);
    ASSERT_EQ(checksum_adjust(before, old_word, load16(data + 4)), after16);
    store32(data + 8, static_cast<uint32_t>(word()) << 16 | word());
    ASSERT_EQ(checksum_adjust(after16, old_long, load32(data + 8)), naive(data));
    // The same in memory order.
    ASSERT_EQ(checksum_adjust(__builtin_bswap16(after16), __builtin_bswap32(old_long), load32_raw(data + 8)),
              __builtin_bswap16(naive(data)));
  }
}

TEST(ChecksumAdjust, Addresses) {
  std::mt19937 random(5);
  for (int i = 0; i < 50000; ++i) {
    uint8_t data[40];
    for (auto& byte : data) byte = random() % 3 == 0 ? 0xff : random() % 2 != 0 ? 0 : static_cast<uint8_t>(random());
    data[0] = 0x60;
    const uint16_t before = naive(data);
    const Address old_address = Address::from_v6(data + 8);
    const Address old_v4 = Address::from_v4(data + 8);
    std::memcpy(data + 8, data + 24, 16);
    ASSERT_EQ(checksum_adjust(before, old_address, Address::from_v6(data + 8)), naive(data));
    const uint16_t middle = naive(data);
    const Address middle_v4 = Address::from_v4(data + 8);
    std::memcpy(data + 8, old_v4.v4_bytes(), 4);
    ASSERT_EQ(checksum_adjust(middle, middle_v4, old_v4), naive(data));
  }
}

TEST(ChecksumAdjust, UdpZeroSaysNone) {
  EXPECT_EQ(udp_checksum_adjust(0, 1u, 2u), 0);
  // The words 0x0001 and 0xfffe sum up to 0xffff: a computed 0 is sent as 0xffff.
  const uint16_t before = static_cast<uint16_t>(~(0x0001 + 0x1234));
  EXPECT_EQ(checksum_adjust(before, 0x1234u, 0xfffeu), 0);
  EXPECT_EQ(udp_checksum_adjust(before, 0x1234u, 0xfffeu), 0xffff);
  // And comes back from it.
  EXPECT_EQ(udp_checksum_adjust(0xffff, 0xfffeu, 0x1234u), before);
}

TEST(ChecksumAdjust, UnfinishedOnesHoldTheSum) {
  const uint64_t sum = sum_pseudo_header(address("10.0.0.1"), address("10.0.0.2"), 6, 100);
  const uint16_t held = __builtin_bswap16(fold(sum));
  const uint16_t adjusted = partial_checksum_adjust(held, address("10.0.0.2"), address("192.168.255.254"));
  const uint64_t wanted = sum_pseudo_header(address("10.0.0.1"), address("192.168.255.254"), 6, 100);
  EXPECT_EQ(adjusted, __builtin_bswap16(fold(wanted)));
}

}  // namespace
}  // namespace flatproxy::wire
