#include "l3/route_table.h"

#include <gtest/gtest.h>

#include <random>

#include "wire_frames.h"

namespace flatproxy {
namespace {

using test::address;

Route route(std::string_view prefix, uint16_t port) { return {wire::Prefix::parse(prefix).value(), port, false, {}}; }

const Route* naive(const std::vector<Route>& routes, const wire::Address& destination) {
  const Route* best = nullptr;
  for (const Route& r : routes) {
    if (r.to.contains(destination) && (best == nullptr || r.to.length > best->to.length)) best = &r;
  }
  return best;
}

TEST(RouteTable, EmptyHasNoRoute) {
  const RouteTable table;
  EXPECT_EQ(table.lookup(address("10.0.0.1")), nullptr);
  EXPECT_EQ(table.lookup(address("2001:db8::1")), nullptr);
}

TEST(RouteTable, LongestPrefixWins) {
  const RouteTable table({route("0.0.0.0/0", 0), route("10.1.2.3/32", 4), route("10.0.0.0/8", 1),
                          route("10.1.2.0/24", 3), route("10.1.0.0/16", 2), route("::/0", 10),
                          route("2001:db8::/32", 11), route("2001:db8::7", 12)});
  const std::pair<const char*, int> cases[] = {
      {"8.8.8.8", 0},      {"10.9.0.1", 1},     {"10.1.9.1", 2},     {"10.1.2.9", 3}, {"10.1.2.3", 4},
      {"2001:db9::1", 10}, {"2001:db8::1", 11}, {"2001:db8::7", 12}, {"::", 10},      {"255.255.255.255", 0}};
  for (const auto& [text, port] : cases) EXPECT_EQ(table.lookup(address(text))->port, port) << text;
}

TEST(RouteTable, FirstOfEqualsCountsAndHostBitsDoNot) {
  const RouteTable table({route("10.0.0.1/24", 1), route("10.0.0.2/24", 2), route("2001:db8::1/64", 3),
                          route("2001:db8::2/64", 4), route("0.0.0.0/0", 5), route("1.2.3.4/0", 6)});
  EXPECT_EQ(table.lookup(address("10.0.0.77"))->port, 1);
  EXPECT_EQ(table.lookup(address("2001:db8::77"))->port, 3);
  EXPECT_EQ(table.lookup(address("9.9.9.9"))->port, 5);
}

TEST(RouteTable, CopiesAndMovesKeepTheirRoutes) {
  RouteTable table({route("10.0.0.0/8", 1), route("2001:db8::/32", 2)});
  const RouteTable copy = table;
  const RouteTable moved = std::move(table);
  EXPECT_EQ(copy.lookup(address("10.0.0.1")), copy.routes().data());
  EXPECT_EQ(moved.lookup(address("2001:db8::1")), &moved.routes()[1]);
}

class Addresses {
 public:
  explicit Addresses(uint32_t seed) : random_(seed) {}
  // Few distinct bytes, so that prefixes nest and addresses hit them.
  wire::Address next(bool v4) {
    constexpr uint8_t kBytes[] = {0, 1, 10, 127, 128, 255};
    uint8_t bytes[16];
    for (auto& byte : bytes) byte = kBytes[random_() % 6];
    bytes[0] |= 1;
    return v4 ? wire::Address::from_v4(bytes) : wire::Address::from_v6(bytes);
  }
  uint32_t number(uint32_t below) { return static_cast<uint32_t>(random_() % below); }

 private:
  std::mt19937 random_;
};

TEST(RouteTable, EqualsTheNaiveMatcher) {
  for (uint32_t seed = 0; seed < 40; ++seed) {
    Addresses addresses(seed);
    std::vector<Route> routes;
    const uint32_t count = addresses.number(300);
    for (uint32_t i = 0; i < count; ++i) {
      const bool v4 = addresses.number(2) == 0;
      const auto length = static_cast<uint8_t>(addresses.number(v4 ? 33 : 129));
      routes.push_back({{addresses.next(v4), length}, static_cast<uint16_t>(i), false, {}});
    }
    const RouteTable table(routes);
    for (int i = 0; i < 3000; ++i) {
      const wire::Address to = addresses.next(addresses.number(2) == 0);
      const Route* expected = naive(table.routes(), to);
      ASSERT_EQ(table.lookup(to), expected) << to.to_string() << " seed " << seed;
    }
  }
}

}  // namespace
}  // namespace flatproxy
