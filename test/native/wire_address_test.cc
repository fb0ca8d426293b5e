#include <gtest/gtest.h>

#include <random>

#include "wire/address.h"
#include "wire_frames.h"

namespace flatproxy::wire {
namespace {

using test::address;

TEST(Address, FormatsPerRfc5952) {
  const std::pair<const char*, const char*> cases[] = {
      {"192.0.2.1", "192.0.2.1"},
      {"0.0.0.0", "0.0.0.0"},
      {"255.255.255.255", "255.255.255.255"},
      {"::", "::"},
      {"::1", "::1"},
      {"1::", "1::"},
      {"2001:db8::1", "2001:db8::1"},
      {"2001:0DB8:0000:0000:0000:0000:0000:0001", "2001:db8::1"},
      {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
      {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
      {"2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
      {"0:0:1:0:0:0:1:1", "0:0:1::1:1"},
      {"1:2:3:4:5:6:7:0", "1:2:3:4:5:6:7:0"},
      {"1:2:3:4:5:6::", "1:2:3:4:5:6::"},
      {"fe80::192.0.2.33", "fe80::c000:221"},
      {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
  };
  for (const auto& [text, canonical] : cases) {
    const auto parsed = Address::parse(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(parsed->to_string(), canonical);
  }
}

TEST(Address, RefusesWhatIsNone) {
  for (const char* text : {"",
                           "1",
                           "1.2.3",
                           "1.2.3.4.5",
                           "256.1.1.1",
                           "01.2.3.4",
                           "1.2.3.4 ",
                           "+1.2.3.4",
                           "1..2.3",
                           ":",
                           ":::",
                           "1:2",
                           "1::2::3",
                           "1:2:3:4:5:6:7:8:9",
                           "12345::",
                           "g::",
                           "1:2:3:4:5:6:7:",
                           ":1:2:3:4:5:6:7",
                           "1::2:3:4:5:6:7:8",
                           "::1.2.3",
                           "1.2.3.4::",
                           "fe80::1%eth0",
                           "::ffff:1.2.3.4",
                           "1:2:3:4:5:6:7:1.2.3.4",
                           "-1::",
                           "::1/64",
                           "0x1::"}) {
    EXPECT_FALSE(Address::parse(text)) << text;
  }
}

TEST(Address, RandomOnesSurviveFormatting) {
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    uint8_t bytes[16];
    for (auto& byte : bytes) byte = random() % 3 == 0 ? static_cast<uint8_t>(random()) : uint8_t{0};
    const Address six = Address::from_v6(bytes);
    if (!six.is_v4()) {
      ASSERT_EQ(Address::parse(six.to_string()), six);
    }
    const Address four = Address::from_v4(bytes);
    ASSERT_EQ(Address::parse(four.to_string()), four);
  }
}

TEST(Address, Kinds) {
  EXPECT_TRUE(address("0.0.0.0").unspecified() && address("::").unspecified());
  EXPECT_TRUE(address("224.0.0.1").multicast() && address("239.1.2.3").multicast() && address("ff02::1").multicast());
  EXPECT_FALSE(address("240.0.0.1").multicast() || address("223.1.1.1").multicast() || address("fe80::1").multicast());
  EXPECT_TRUE(address("127.3.2.1").loopback() && address("::1").loopback());
  EXPECT_FALSE(address("0.0.0.1").loopback() || address("::2").loopback());
  EXPECT_TRUE(address("169.254.1.1").link_local() && address("febf::1").link_local());
  EXPECT_FALSE(address("fec0::1").link_local() || address("0.0.0.0").loopback());
}

TEST(Prefix, ParsesFormatsAndContains) {
  const auto ten = Prefix::parse("10.0.0.0/8").value();
  EXPECT_TRUE(ten.contains(address("10.255.0.1")) && !ten.contains(address("11.0.0.0")));
  EXPECT_FALSE(ten.contains(address("a00::")));
  EXPECT_EQ(Prefix::parse("192.0.2.1").value().length, 32);
  EXPECT_EQ(Prefix::parse("2001:db8::/33").value().to_string(), "2001:db8::/33");
  EXPECT_TRUE(Prefix::parse("2001:db8:8000::/33").value().contains(address("2001:db8:ffff::1")));
  EXPECT_FALSE(Prefix::parse("2001:db8:8000::/33").value().contains(address("2001:db8:7fff::1")));
  EXPECT_TRUE(Prefix::parse("0.0.0.0/0").value().contains(address("1.2.3.4")));
  EXPECT_FALSE(Prefix::parse("0.0.0.0/0").value().contains(address("::1")));
  EXPECT_FALSE(Prefix::parse("::/0").value().contains(address("1.2.3.4")));
  for (const char* text : {"10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/08", "/8", "10.0.0/8"}) {
    EXPECT_FALSE(Prefix::parse(text)) << text;
  }
}

TEST(Mac, Formats) { EXPECT_EQ((Mac{{0, 0x1b, 0x21, 0xab, 0xcd, 0xef}}.to_string()), "00:1b:21:ab:cd:ef"); }

}  // namespace
}  // namespace flatproxy::wire
