#include <gtest/gtest.h>

#include <random>

#include "wire_frames.h"

namespace flatproxy::wire {
namespace {

using test::address;
using test::from_hex;

template <typename Value>
void expect_round_trip(const Value& value, size_t size) {
  std::vector<uint8_t> bytes(size);
  value.emit(bytes);
  const auto parsed = Value::parse(bytes);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(*parsed, value);
  for (size_t n = 0; n < size; ++n) EXPECT_FALSE(Value::parse(Bytes(bytes).first(n))) << n;
}

struct Random {
  std::mt19937 engine{7};
  uint32_t operator()() { return static_cast<uint32_t>(engine()); }
  uint8_t byte() { return static_cast<uint8_t>(engine()); }
  uint16_t word() { return static_cast<uint16_t>(engine()); }
  bool coin() { return engine() % 2 != 0; }
  Mac mac() { return {{byte(), byte(), byte(), byte(), byte(), byte()}}; }
  Address v4() {
    const uint32_t bytes = (*this)();
    return Address::from_v4(&bytes);
  }
  Address v6() {
    uint32_t words[4] = {(*this)(), (*this)(), (*this)(), (*this)()};
    return Address::from_v6(words);
  }
};

constexpr int kRounds = 300;

TEST(Wire, EthernetRoundTrip) {
  Random random;
  for (int i = 0; i < kRounds; ++i) {
    Ethernet value{random.mac(), random.mac(), std::nullopt, ether_type::kIpv6};
    if (random.coin()) value.vlan = VlanTag::from_control(random.word());
    expect_round_trip(value, value.size());
  }
}

TEST(Wire, ArpRoundTrip) {
  Random random;
  for (int i = 0; i < kRounds; ++i) {
    const uint16_t operation = random.coin() ? Arp::kRequest : Arp::kReply;
    expect_round_trip(Arp{operation, random.mac(), random.v4(), random.mac(), random.v4()}, kArpSize);
  }
  std::vector<uint8_t> bytes(kArpSize);
  Arp{}.emit(bytes);
  for (const size_t at : {0u, 2u, 4u, 5u, 7u}) {
    auto other = bytes;
    other[at] = 0x77;
    EXPECT_FALSE(Arp::parse(other)) << at;
  }
}

TEST(Wire, Ipv4RoundTrip) {
  Random random;
  for (int i = 0; i < kRounds; ++i) {
    Ipv4 value;
    value.traffic_class = random.byte();
    value.options_length = static_cast<uint8_t>(random() % 11 * 4);
    for (size_t n = 0; n < value.options_length; ++n) value.options[n] = random.byte();
    value.total_length = static_cast<uint16_t>(60 + random() % 65476);
    value.identification = random.word();
    value.dont_fragment = random.coin();
    value.more_fragments = random.coin();
    value.fragment_offset = random.word() & 0xfff8;
    value.ttl = random.byte();
    value.protocol = random.byte();
    value.source = random.v4();
    value.destination = random.v4();
    expect_round_trip(value, value.size());
  }
}

TEST(Wire, Ipv4RealHeader) {
  const auto bytes = from_hex("4500 0073 0000 4000 4011 b861 c0a8 0001 c0a8 00c7");
  const auto value = Ipv4::parse(bytes);
  ASSERT_TRUE(value);
  EXPECT_EQ(value->total_length, 115);
  EXPECT_TRUE(value->dont_fragment);
  EXPECT_EQ(value->source, address("192.168.0.1"));
  std::vector<uint8_t> again(20);
  value->emit(again);
  EXPECT_EQ(again, bytes);
}

TEST(Wire, Ipv4Options) {
  EXPECT_TRUE(ipv4_options_acceptable(from_hex("01010100")));
  EXPECT_TRUE(ipv4_options_acceptable(from_hex("0707040000000000")));  // record route
  EXPECT_TRUE(ipv4_options_acceptable(from_hex("94040000")));          // router alert
  EXPECT_TRUE(ipv4_options_acceptable(from_hex("00ffffff")));          // after the end anything
  EXPECT_FALSE(ipv4_options_acceptable(from_hex("83070400000000")));   // loose source route
  EXPECT_FALSE(ipv4_options_acceptable(from_hex("89070400000000")));   // strict source route
  EXPECT_FALSE(ipv4_options_acceptable(from_hex("01010107")));         // no length
  EXPECT_FALSE(ipv4_options_acceptable(from_hex("07010000")));
  EXPECT_FALSE(ipv4_options_acceptable(from_hex("07050000")));
}

TEST(Wire, Ipv6RoundTrip) {
  Random random;
  for (int i = 0; i < kRounds; ++i) {
    const Ipv6 value{random.byte(), random() & 0xfffff, random.word(), random.byte(),
                     random.byte(), random.v6(),        random.v6()};
    expect_round_trip(value, kIpv6Size);
    const Ipv6Fragment fragment{random.byte(), static_cast<uint16_t>(random.word() & 0xfff8), random.coin(), random()};
    expect_round_trip(fragment, kIpv6FragmentSize);
  }
}

TEST(Wire, IcmpAndUdpRoundTrip) {
  Random random;
  for (int i = 0; i < kRounds; ++i) {
    expect_round_trip(Icmp{random.byte(), random.byte(), random.word(), random()}, kIcmpSize);
    expect_round_trip(Udp{random.word(), random.word(), static_cast<uint16_t>(random.word() | 8), random.word()},
                      kUdpSize);
  }
  EXPECT_FALSE(Udp::parse(from_hex("0001 0002 0007 0000")));
}

TcpOptions random_options(Random& random) {
  TcpOptions options;
  if (random.coin()) options.mss = random.word();
  if (random.coin()) options.window_scale = random.byte();
  options.sack_permitted = random.coin();
  if (random.coin()) options.timestamps = {random(), random()};
  const uint32_t room = (40 - options.size()) / 8;
  if (40 - options.size() >= 12) options.sack_count = static_cast<uint8_t>(random() % std::min(room, 4u));
  for (uint8_t i = 0; i < options.sack_count; ++i) options.sack[i] = {random(), random()};
  return options;
}

TEST(Wire, TcpRoundTrip) {
  Random random;
  for (int i = 0; i < kRounds; ++i) {
    const Tcp value{random.word(), random.word(), random(),
                    random(),      random.byte(), random.word(),
                    random.word(), random.word(), random_options(random)};
    ASSERT_LE(value.size(), kTcpMaxSize);
    expect_round_trip(value, value.size());
  }
}

TEST(Wire, TcpOptionsOfALinuxSyn) {
  const auto options = TcpOptions::parse(from_hex("020405b4 0402 080a 00112233 00000000 01 030307"));
  ASSERT_TRUE(options);
  EXPECT_EQ(options->mss, 1460);
  EXPECT_EQ(options->window_scale, 7);
  EXPECT_TRUE(options->sack_permitted);
  EXPECT_EQ(options->timestamps, (TcpTimestamps{0x00112233, 0}));
}

TEST(Wire, TcpOptionsSackAndUnknown) {
  const auto options = TcpOptions::parse(from_hex("fd04f00d 0101 0512 00000001 00000002 00000003 00000004 00 ff"));
  ASSERT_TRUE(options);
  EXPECT_EQ(options->sack_count, 2);
  EXPECT_EQ(options->sack[1], (SackBlock{3, 4}));
}

TEST(Wire, TcpOptionsMalformed) {
  for (const char* text :
       {"02", "0204", "020405", "0200", "0201", "0203 05", "03040700", "0403 00", "080b 0000000000000000 00", "0502",
        "0509 00000000 00000000", "052a 00", "fd", "fd01", "fd0300ff fd"}) {
    EXPECT_FALSE(TcpOptions::parse(from_hex(text))) << text;
  }
}

TEST(Wire, TcpMalformed) {
  std::vector<uint8_t> bytes(20);
  Tcp{}.emit(bytes);
  bytes[12] = 0x40;
  EXPECT_FALSE(Tcp::parse(bytes));
  bytes[12] = 0x60;
  EXPECT_FALSE(Tcp::parse(bytes));
}

TEST(Wire, TcpFlags) {
  for (const int flags : {0, 0xc0, kSyn | kFin, kSyn | kRst, kSyn | kRst | kAck, 0x3f}) {
    EXPECT_TRUE(tcp_flags_nonsense(static_cast<uint8_t>(flags))) << flags;
  }
  for (const int flags :
       {+kSyn, kSyn | kAck, kSyn | kEce | kCwr, +kAck, kFin | kAck, +kRst, kRst | kAck, kAck | kPsh | kUrg}) {
    EXPECT_FALSE(tcp_flags_nonsense(static_cast<uint8_t>(flags))) << flags;
  }
}

Extensions walk(uint8_t first, const char* hex) { return walk_extensions(first, from_hex(hex)); }

TEST(Wire, ExtensionHeaders) {
  const auto none = walk(protocol::kTcp, "");
  EXPECT_TRUE(none.error == ExtensionError::none && none.protocol == protocol::kTcp && none.length == 0);
  const auto chain = walk(0, "2b00 01040000 0000  2c00 0401 00000000  0600 0001 00000007");
  EXPECT_EQ(chain.error, ExtensionError::none);
  EXPECT_EQ(chain.protocol, protocol::kTcp);
  EXPECT_EQ(chain.length, 24u);
  EXPECT_TRUE(chain.has_fragment && chain.fragment.more && chain.fragment.identification == 7);
  const auto authentication = walk(51, "0604 0000 00000001 00000002 000000000000000000000000");
  EXPECT_EQ(authentication.length, 24u);
  EXPECT_EQ(authentication.protocol, protocol::kTcp);
  const auto later = walk(44, "3c00 0008 00000007");  // what follows is data, whatever it says
  EXPECT_EQ(later.error, ExtensionError::none);
  EXPECT_EQ(later.protocol, protocol::kDestinationOptions);
}

TEST(Wire, ExtensionHeadersRefused) {
  EXPECT_EQ(walk(0, "06").error, ExtensionError::truncated);
  EXPECT_EQ(walk(0, "0601 01040000 0000").error, ExtensionError::truncated);
  EXPECT_EQ(walk(60, "0000 01040000 0000 0600 01040000 0000").error, ExtensionError::invalid);  // hop-by-hop second
  EXPECT_EQ(walk(0, "0600 c2040001 0000").error, ExtensionError::invalid);                      // jumbo payload
  EXPECT_EQ(walk(0, "0600 01050000 0000").error, ExtensionError::invalid);   // option beyond the header
  EXPECT_EQ(walk(43, "0600 0001 00000000").error, ExtensionError::invalid);  // routing type 0
  EXPECT_EQ(walk(44, "2c00 0001 00000007 0600 0001 00000007").error,
            ExtensionError::invalid);                                        // fragments of fragments
  EXPECT_EQ(walk(60, "0640 01040000 0000").error, ExtensionError::invalid);  // too many bytes
  std::string many;
  for (uint32_t i = 0; i <= kMaxExtensionHeaders; ++i) many += "3c00010400000000";
  EXPECT_EQ(walk(60, many.c_str()).error, ExtensionError::invalid);
}

}  // namespace
}  // namespace flatproxy::wire
