#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string_view>
#include <vector>

#include "wire/roce.h"

namespace flatproxy::wire {
namespace {

TEST(WireRoce, RoundTrip) {
  std::mt19937 random(7);
  for (int i = 0; i < 300; ++i) {
    const auto bits = static_cast<uint32_t>(random());
    Bth value;
    value.opcode = static_cast<uint8_t>(random());
    value.solicited = (bits & 1) != 0;
    value.migrated = (bits & 2) != 0;
    value.pad_count = bits >> 2 & 3;
    value.partition_key = static_cast<uint16_t>(random());
    value.forward_congestion = (bits & 16) != 0;
    value.backward_congestion = (bits & 32) != 0;
    value.destination_qp = static_cast<uint32_t>(random()) & kRoceNumberMask;
    value.ack_requested = (bits & 64) != 0;
    value.psn = static_cast<uint32_t>(random()) & kRoceNumberMask;
    std::array<uint8_t, kBthSize> bytes{};
    value.emit(bytes);
    EXPECT_EQ(Bth::parse(bytes), value);
    for (size_t n = 0; n < kBthSize; ++n) EXPECT_FALSE(Bth::parse(Bytes(bytes).first(n))) << n;
  }
}

TEST(WireRoce, FieldsLieWhereTheSpecificationHasThem) {
  const std::vector<uint8_t> bytes = {0x04, 0xe0, 0xff, 0xfe, 0x40, 0x12, 0x34, 0x56, 0x80, 0xab, 0xcd, 0xef};
  const auto bth = Bth::parse(bytes);
  ASSERT_TRUE(bth);
  EXPECT_EQ(bth->opcode, 4);
  EXPECT_TRUE(bth->solicited && bth->migrated && bth->ack_requested);
  EXPECT_EQ(bth->pad_count, 2);
  EXPECT_EQ(bth->partition_key, 0xfffe);
  EXPECT_TRUE(!bth->forward_congestion && bth->backward_congestion);
  EXPECT_EQ(bth->destination_qp, 0x123456u);
  EXPECT_EQ(bth->psn, 0xabcdefu);
}

TEST(WireRoce, OtherVersionsAreRefused) {
  for (uint8_t version = 0; version < 16; ++version) {
    std::array<uint8_t, kBthSize> bytes{};
    bytes[1] = version;
    EXPECT_EQ(Bth::parse(bytes).has_value(), version == 0) << int{version};
  }
}

TEST(WireRoce, ClassesOfEveryOpcode) {
  // s send, w write, r read, a atomic, k acknowledge, c congestion notification, - other; operations 0 to 31.
  const char* transports[8] = {
      "sssssswwwwwwrrrrrkaaa-ss--------",  // reliable connection
      "sssssswwwwww--------------------",  // unreliable connection
      "sssssswwwwwwrrrrrkaaa-----------",  // reliable datagram
      "----ss--------------------------",  // unreliable datagram
      "-c------------------------------",  // congestion notification
      "sssssswwwwwwrrrrrkaaa-ss--------",  // extended reliable connection
      "--------------------------------",  //
      "--------------------------------",
  };
  const std::string_view letters = "swrakc-";
  for (uint32_t opcode = 0; opcode < 256; ++opcode) {
    const auto name = static_cast<size_t>(roce_class(static_cast<uint8_t>(opcode)));
    EXPECT_EQ(letters.at(name), transports[opcode >> 5][opcode & 31]) << opcode;
  }
}

TEST(WireRoce, NumbersOfEveryOperationOfReliableConnections) {
  // q a request's own number, a that of the request it answers, - none that means anything.
  const std::string_view numbers = "qqqqqqqqqqqqqaaaa--qq-qq--------";
  for (uint32_t opcode = 0; opcode < 256; ++opcode) {
    const bool reliable = opcode >> 5 == 0 || opcode >> 5 == 5;
    const char expected = reliable ? numbers[opcode & 31] : '-';
    EXPECT_EQ(std::string_view("-qa").at(static_cast<size_t>(kRoceOpcodes[opcode].numbers)), expected) << opcode;
  }
}

std::vector<uint8_t> acknowledge(uint8_t opcode, uint8_t syndrome, size_t at) {
  std::vector<uint8_t> bytes(at + kAethSize);
  bytes[0] = opcode;
  bytes[at] = syndrome;
  return bytes;
}

bool says_nak(Bytes bytes) { return is_roce_nak(*Bth::parse(bytes), bytes); }

TEST(WireRoce, NaksAreToldByTheSyndrome) {
  for (const uint8_t opcode : std::array<uint8_t, 2>{0x11, 0xb1}) {
    EXPECT_FALSE(says_nak(acknowledge(opcode, 0x1f, kBthSize))) << "ACK, credits unlimited";
    EXPECT_TRUE(says_nak(acknowledge(opcode, 0x2e, kBthSize))) << "receiver not ready";
    EXPECT_FALSE(says_nak(acknowledge(opcode, 0x40, kBthSize))) << "reserved";
    EXPECT_TRUE(says_nak(acknowledge(opcode, 0x60, kBthSize))) << "PSN sequence error";
  }
  EXPECT_TRUE(says_nak(acknowledge(0x51, 0x60, kBthSize + 4))) << "behind a reliable datagram's header";
  EXPECT_FALSE(says_nak(acknowledge(0x04, 0x60, kBthSize))) << "a send's payload";
  EXPECT_FALSE(says_nak(acknowledge(0x31, 0x60, kBthSize))) << "unreliable connections acknowledge nothing";
}

TEST(WireRoce, AcknowledgesThatAreCutOffSayNothing) {
  const auto whole = acknowledge(0x11, 0x60, kBthSize);
  for (size_t n = kBthSize; n < whole.size(); ++n) EXPECT_FALSE(says_nak(Bytes(whole).first(n))) << n;
}

}  // namespace
}  // namespace flatproxy::wire
