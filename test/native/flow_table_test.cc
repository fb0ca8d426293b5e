#include "conntrack/flow_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace flatproxy {
namespace {

constexpr HashKey kKey{{0x1234567890abcdefu, 0xfedcba0987654321u, 0x0f1e2d3c4b5a6978u, 0x8796a5b4c3d2e1f0u}};
constexpr StateTimeouts kTimeouts{30000, 30000, 600000, 120000, 60000, 30000, 120000, 10000, 30000, 180000, 30000};

wire::Address v4(uint32_t host_order) {
  const uint8_t bytes[4] = {static_cast<uint8_t>(host_order >> 24), static_cast<uint8_t>(host_order >> 16),
                            static_cast<uint8_t>(host_order >> 8), static_cast<uint8_t>(host_order)};
  return wire::Address::from_v4(bytes);
}

wire::Address v6(uint32_t low) {
  wire::Address a;
  a.bytes[0] = 0x20;
  a.bytes[15] = static_cast<uint8_t>(low);
  a.bytes[14] = static_cast<uint8_t>(low >> 8);
  return a;
}

Tuple udp(uint32_t source, uint16_t source_port) { return {v4(source), v4(0x0a000001), source_port, 53, 17, 4}; }

FlowId open(FlowTable& table, const Tuple& t, const Translation* translation = nullptr, uint32_t now = 0) {
  const FlowId id = table.open(t, flow_hash(t, kKey), translation);
  if (id == kNoFlow) return id;
  table.hot(id).state = FlowState::udp;
  table.hot(id).last_seen = now;
  table.schedule(id, kTimeouts);
  return id;
}

FlowMatch find(const FlowTable& table, const Tuple& t) { return table.find(t, flow_hash(t, kKey)); }

TEST(FlowHash, IsTheSameInBothDirections) {
  const Tuple t = udp(0x0a010203, 4000);
  EXPECT_EQ(flow_hash(t, kKey), flow_hash(t.reversed(), kKey));
  Tuple six{v6(1), v6(2), 10, 20, 6, 6};
  EXPECT_EQ(flow_hash(six, kKey), flow_hash(six.reversed(), kKey));
  six.destination_port = 21;
  EXPECT_NE(flow_hash(six, kKey), flow_hash(t, kKey));
}

TEST(FlowTable, FindsBothDirectionsOfAnUntranslatedFlow) {
  FlowTable table(64, kKey);
  const Tuple t = udp(0x0a010203, 4000);
  const FlowId id = open(table, t);
  EXPECT_EQ(find(table, t).id, id);
  EXPECT_EQ(find(table, t).direction, kOriginal);
  EXPECT_EQ(find(table, t.reversed()).id, id);
  EXPECT_EQ(find(table, t.reversed()).direction, kReply);
  EXPECT_EQ(table.original(id), t);
}

TEST(FlowTable, FindsTheReplyOfATranslatedFlowAndNotItsUntranslatedReverse) {
  FlowTable table(64, kKey);
  const Tuple t = udp(0x0a010203, 4000);
  const Translation to{v4(0x0a020001), 5353, 4001};
  const FlowId id = open(table, t, &to);
  const Tuple reply{v4(0x0a020001), t.source, 5353, 4001, 17, 4};
  EXPECT_EQ(table.reply(id), reply);
  EXPECT_EQ(find(table, reply).id, id);
  EXPECT_EQ(find(table, reply).direction, kReply);
  EXPECT_EQ(find(table, t.reversed()).id, kNoFlow);
  table.close(id);
  EXPECT_EQ(find(table, t).id, kNoFlow);
  EXPECT_EQ(find(table, reply).id, kNoFlow);
}

TEST(FlowTable, KeepsFullIpv6Addresses) {
  FlowTable table(64, kKey);
  const Tuple a{v6(1), v6(2), 10, 20, 6, 6};
  const Translation to{v6(3), 30, 10};
  const FlowId id = open(table, a, &to);
  EXPECT_EQ(table.original(id), a);
  EXPECT_EQ(table.nat_address(id), v6(3));
  Tuple other = a;
  other.source.bytes[3] = 1;
  EXPECT_EQ(find(table, other).id, kNoFlow);
  EXPECT_EQ(find(table, table.reply(id)).id, id);
}

// A model that is obviously right, against the table, over random opens and closes of translated flows.
TEST(FlowTable, AgreesWithAMapUnderRandomUse) {
  constexpr uint32_t kCapacity = 500;
  FlowTable table(kCapacity, kKey);
  std::map<std::pair<uint32_t, uint16_t>, FlowId> model;
  std::mt19937 random(7);
  for (int step = 0; step < 50000; ++step) {
    const uint32_t source = 0x0a000000 + static_cast<uint32_t>(random() % 40);
    const auto port = static_cast<uint16_t>(1000 + random() % 20);
    const auto key = std::make_pair(source, port);
    const Tuple t = udp(source, port);
    const auto known = model.find(key);
    ASSERT_EQ(find(table, t).id, known == model.end() ? kNoFlow : known->second);
    if (known != model.end()) {
      table.close(known->second);
      model.erase(known);
    } else {
      const Translation to{v4(0x0b000000 + static_cast<uint32_t>(random() % 3)), 99, port};
      const FlowId id = open(table, t, &to);
      ASSERT_EQ(id == kNoFlow, model.size() == kCapacity);
      if (id != kNoFlow) model[key] = id;
    }
    ASSERT_EQ(table.size(), model.size());
  }
}

TEST(FlowTable, HoldsItsWholeCapacityOfTranslatedFlows) {
  constexpr uint32_t kCapacity = 100000;
  FlowTable table(kCapacity, kKey);
  uint32_t opened = 0;
  for (uint32_t i = 0; i < kCapacity; ++i) {
    const Translation to{v4(0x0b000001), 99, static_cast<uint16_t>(i)};
    opened += open(table, udp(0x0a000000 + (i >> 16), static_cast<uint16_t>(i)), &to) != kNoFlow;
  }
  EXPECT_EQ(opened, kCapacity);
}

TEST(FlowTable, OffersAnUnassuredFlowWhereItsIndexIsCrowded) {
  FlowTable table(4096, kKey);
  const Tuple t = udp(0x0a000000, 1);
  const uint64_t hash = flow_hash(t, kKey);
  // Entries of one hash crowd its two buckets, as no traffic would.
  uint32_t opened = 0;
  while (table.open(t, hash, nullptr) != kNoFlow) table.schedule(opened++, kTimeouts);
  EXPECT_EQ(opened, 30u);
  const FlowId victim = table.victim();
  ASSERT_NE(victim, kNoFlow);
  for (FlowId id = 0; id < opened; ++id) table.assure(id, kTimeouts);
  EXPECT_EQ(table.victim(), kNoFlow) << "assured flows are not given up";
}

TEST(FlowTable, OffersTheUnassuredFlowNearestToItsEnd) {
  FlowTable table(2, kKey);
  const FlowId old = open(table, udp(1, 1), nullptr, 0);
  const FlowId young = open(table, udp(1, 2), nullptr, 5000);
  EXPECT_EQ(table.victim(), old);
  table.assure(old, kTimeouts);
  EXPECT_EQ(table.victim(), young);
  table.assure(young, kTimeouts);
  EXPECT_EQ(table.victim(), kNoFlow);
  EXPECT_EQ(table.unassured(), 0u);
}

TEST(FlowTable, ExpiresWhatWasNotSeenAndKeepsWhatWas) {
  FlowTable table(8, kKey);
  const FlowId silent = open(table, udp(1, 1));
  const FlowId seen = open(table, udp(1, 2));
  table.hot(seen).last_seen = 20000;
  unsigned budget = 100;
  EXPECT_EQ(table.take_expired(29000, kTimeouts, budget), kNoFlow);
  EXPECT_EQ(table.take_expired(31000, kTimeouts, budget), silent);
  table.close(silent);
  EXPECT_EQ(table.take_expired(49000, kTimeouts, budget), kNoFlow);
  EXPECT_EQ(table.take_expired(50500, kTimeouts, budget), seen);
}

TEST(FlowTable, ExpiryStopsAtItsBudget) {
  FlowTable table(64, kKey);
  for (uint16_t i = 0; i < 50; ++i) open(table, udp(1, i));
  unsigned budget = 10;
  unsigned closed = 0;
  for (FlowId id; (id = table.take_expired(40000, kTimeouts, budget)) != kNoFlow; ++closed) table.close(id);
  EXPECT_EQ(closed, 10u);
  EXPECT_EQ(table.size(), 40u);
}

TEST(ExpiryWheel, SurvivesTheWrapOfItsMilliseconds) {
  FlowTable table(8, kKey);
  const uint32_t start = 0xffffffff - 10000;
  unsigned budget = 100;
  EXPECT_EQ(table.take_expired(start, kTimeouts, budget), kNoFlow);
  const FlowId id = open(table, udp(1, 1), nullptr, start);
  EXPECT_EQ(table.take_expired(start + 20000, kTimeouts, budget), kNoFlow);
  EXPECT_EQ(table.take_expired(start + 30200, kTimeouts, budget), id);
}

TEST(ExpiryWheel, FiresBeyondItsHorizon) {
  FlowTable table(8, kKey);
  const FlowId id = open(table, udp(1, 1));
  table.hot(id).state = FlowState::tcp_established;  // 600 s, the wheel reaches 524 s
  table.assure(id, kTimeouts);
  unsigned budget = 100;
  for (uint32_t now = 0; now < 600000; now += 1000) ASSERT_EQ(table.take_expired(now, kTimeouts, budget), kNoFlow);
  EXPECT_EQ(table.take_expired(600200, kTimeouts, budget), id);
}

TEST(ExpiryWheel, NearestFollowsTheOrderOfEnds) {
  std::vector<FlowCold> flows(300);
  ExpiryWheel wheel(flows.data());
  std::mt19937 random(3);
  std::multimap<uint32_t, FlowId> model;
  for (FlowId id = 0; id < 300; ++id) {
    const uint32_t when = static_cast<uint32_t>(random() % 500000);
    wheel.add(id, when);
    model.emplace(when, id);
  }
  uint32_t last = 0;
  while (wheel.size() != 0) {
    const FlowId id = wheel.nearest();
    const auto entry = std::find_if(model.begin(), model.end(), [&](const auto& e) { return e.second == id; });
    ASSERT_NE(entry, model.end());
    ASSERT_GE(entry->first + ExpiryWheel::kTick, last);
    last = entry->first;
    model.erase(entry);
    wheel.remove(id);
  }
  EXPECT_TRUE(model.empty());
}

}  // namespace
}  // namespace flatproxy
