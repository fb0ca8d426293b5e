#pragma once

#include <algorithm>
#include <initializer_list>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "lane/explain.h"
#include "support/plan_text.h"
#include "support/roce.h"
#include "support/world.h"
#include "wire/protocol.h"

namespace flatproxy::test {

constexpr uint8_t kTcp = 6, kUdp = 17;

/// Small meshes out of few addresses, so that packets meet much of them.
class RandomMesh {
 public:
  explicit RandomMesh(uint32_t seed, bool always_policies = false) : random_(seed) {
    options.ports = 4;
    options.lanes = 1 + below(2);
    options.joined = below(5) == 0;
    options.node = !options.joined && below(3) == 0;
    const bool policies = below(2) == 0 || always_policies;
    const bool track = policies || below(3) != 0;
    options.flows = std::string(track ? R"("track":"all",)" : R"("track":"services",)") +
                    (below(2) == 0 ? R"("midstream":"adopt",)" : R"("midstream":"reject",)");
    write_workloads();
    write_services();
    if (policies) write_policies();
    if (below(2) == 0) write_listener();
  }

  World::Options options;
  uint32_t services = 0;

  FirstPacket packet() {
    // The same once more, at times by another port.
    if (last_.tuple.family != 0 && below(5) == 0) {
      if (below(4) == 0) last_.port = static_cast<uint16_t>(below(4));
      if (below(4) == 0) last_.vlan = vlan(last_.port);
      return last_;
    }
    // The same client from the same port, to another service.
    if (below(3) == 0 && last_.tuple.family == 4 && last_.tuple.protocol != wire::protocol::kIcmp) {
      last_.tuple.destination = *wire::Address::parse("10.9.0." + text(below(services)));
      last_.tuple.destination_port = 80;
      last_.roce.reset();
      return last_;
    }
    return last_ = new_packet();
  }
  uint32_t below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  const std::string& other_policies() {
    write_policies();
    if (below(3) == 0) options.policies.insert(1, R"("onDeny":"keep",)");
    return options.policies;
  }

 private:
  FirstPacket new_packet() {
    FirstPacket packet;
    packet.port = static_cast<uint16_t>(below(options.node ? 5 : 4));
    packet.vlan = vlan(packet.port);
    const bool v6 = below(5) == 0;
    const uint8_t icmp = v6 ? wire::protocol::kIcmp6 : wire::protocol::kIcmp;
    Tuple& tuple = packet.tuple;
    tuple.protocol = one_of<uint8_t>({kTcp, kTcp, kUdp, kUdp, icmp});
    tuple.family = v6 ? 6 : 4;
    tuple.source = *wire::Address::parse(v6 ? source_v6(packet.port) : source(packet.port));
    if (packet.port == 4) packet.port = host_side(0);
    tuple.destination = *wire::Address::parse(v6 ? destination_v6() : destination());
    tuple.source_port = one_of<uint16_t>({8080, 8080, 40000, 40001, 40002, static_cast<uint16_t>(below(65536))});
    tuple.destination_port = one_of<uint16_t>({80, 80, 80, 8080, 22, 443});
    if (tuple.protocol == icmp) tuple.destination_port = tuple.source_port;
    if (tuple.protocol == kUdp && below(3) == 0) {
      tuple.destination_port = wire::kRocePort;
      packet.roce = RoceTarget{1 + below(4), static_cast<wire::RoceClass>(below(wire::kRoceClasses))};
    }
    return packet;
  }
  /// Between joined ports one of few, or none; by others seldom one.
  uint16_t vlan(uint16_t port) {
    const bool seldom = !options.joined || port > 1;
    return below(seldom ? 40 : 3) == 0 ? one_of<uint16_t>({10, 20, 30}) : uint16_t{0};
  }
  template <typename T>
  T one_of(std::initializer_list<T> values) {
    return values.begin()[below(static_cast<uint32_t>(values.size()))];
  }
  std::string text(uint32_t n) { return std::to_string(n); }

  void write_workloads() {
    std::string list, routes;
    for (uint32_t id = 0, count = below(6); id < count; ++id) {
      // Joined ports have no addresses.
      const std::string port = text(options.joined ? 2 + below(2) : below(options.node ? 5 : 4));
      const std::string v4 = "10.0." + (below(4) == 0 ? "77" : port) + "." + text(10 + id);
      const std::string v6 = "fd00:0:0:" + port + "::" + text(10 + id);
      list += std::string(id == 0 ? "" : ",") + R"({"id":)" + text(id) + R"(,"name":"w","port":)" + port +
              R"(,"addresses":[")" + v4 + R"(",")" + v6 + R"("]})";
      routes += R"({"to":")" + v4 + R"(/32","port":)" + port + R"(},{"to":")" + v6 + R"(/128","port":)" + port + "},";
      workloads_.emplace_back(v4, v6);
    }
    if (below(2) == 0) routes += R"({"to":"0.0.0.0/0","port":3,"via":"10.0.3.99"},)";
    if (below(3) == 0) routes += R"({"to":"::/0","port":2,"via":"fd00:0:0:2::99"},)";
    routes += R"({"to":"192.0.2.0/24","port":2,"via":"10.0.2.98"})";
    options.workloads = "[" + list + "]";
    options.routes = "[" + routes + "]";
  }

  /// The address of one of them.
  const std::string& workload(bool v6) {
    const auto& [v4_address, v6_address] = workloads_[below(static_cast<uint32_t>(workloads_.size()))];
    return v6 ? v6_address : v4_address;
  }

  void write_services() {
    std::string list;
    uint32_t endpoint_id = 0;
    for (const uint32_t count = 1 + below(4); services < count; ++services) {
      std::string endpoints;
      const bool empty = below(6) == 0;
      for (uint32_t i = empty ? 0 : 1 + below(4); i > 0; --i) {
        const bool known = !workloads_.empty() && below(2) == 0;
        const bool v6 = below(4) == 0;
        const std::string stranger = v6 ? "fd00:0:0:1::" + text(30 + i) : "10.0." + text(below(4)) + "." + text(30 + i);
        endpoints += std::string(endpoints.empty() ? "" : ",") +
                     test::endpoint(endpoint_id++, known ? workload(v6) : stranger, 8080, below(4), below(6) == 0);
      }
      std::string service = test::service(services, "10.9.0." + text(services), endpoints);
      replace(service, R"(["10.9.0.)" + text(services) + R"("])",
              R"(["10.9.0.)" + text(services) + R"(","fd09::)" + text(services) + R"("])");
      replace(service, "maglev", one_of<std::string>({"maglev", "ringHash", "roundRobin", "leastRequest"}));
      if (below(3) == 0) replace(service, R"("affinity":"none")", R"("affinity":"source")");
      if (below(3) == 0) replace(service, R"("protocol":"tcp")", R"("protocol":"udp")");
      list += (services == 0 ? "" : ",") + service;
    }
    options.services = "[" + list + "]";
    endpoints_ = endpoint_id;
  }

  std::string limit(uint32_t counter) {
    const std::string of = one_of<std::string>({"packets", "bytes", "flows"});
    return counted(R"("limit")", counter) + R"(,"limit":{"of":")" + of +
           R"(","rate":1000000000,"interval":1000,"burst":1000000000})";
  }
  /// To a port by which packets come.
  std::string mirror(uint32_t counter) {
    return counted(R"("mirror")", counter) + R"(,"mirror":{"port":)" + text(below(4)) + R"(,"snapLength":null})";
  }
  std::string counted(const std::string& action, uint32_t counter) { return action + R"(,"counter":)" + text(counter); }

  /// A third of policies look at the port that flows come by.
  std::string arrivals() {
    if (below(3) != 0) return R"(")";
    const uint32_t ports = options.node ? 5 : 4;
    const std::string one = text(below(ports));
    return R"(","on":[)" + (below(2) == 0 ? one : one + "," + text(below(ports))) + "]";
  }
  /// And a third at the VLAN.
  std::string vlans() {
    if (below(3) != 0) return "";
    return R"(,"vlans":)" + one_of<std::string>({R"([{"first":0,"last":0}])", R"([{"first":10,"last":10}])",
                                                 R"([{"first":0,"last":10},{"first":30,"last":4094}])"});
  }
  void write_policies() {
    std::string rules;
    for (uint32_t i = below(7); i > 0; --i) {
      const std::string peer = below(3) == 0 ? "null" : "[" + text(below(5)) + "]";
      const std::string ports = one_of<std::string>(
          {"null", "null", R"([{"protocol":)" + text(one_of({6, 17, 1})) + R"(,"first":0,"last":8080}])",
           R"([{"opcodes":["send","ack","cnp"],"first":)" + text(below(3)) + R"(,"last":3}])"});
      rules += std::string(rules.empty() ? "" : ",") + R"({"name":"p","direction":")" +
               one_of<std::string>({"ingress", "egress"}) + arrivals() + R"(,"subject":[)" + text(below(5)) +
               R"(],"peer":)" + peer + R"(,"ports":)" + ports + vlans() + R"(,"action":)" +
               one_of<std::string>({R"("allow")", R"("allow")", R"("deny")", R"("reject")", counted(R"("log")", i),
                                    limit(i), mirror(i)}) +
               "}";
    }
    options.policies = R"({"default":")" + one_of<std::string>({"allow", "allow", "deny"}) +
                       R"(","selectors":[{"workloads":"all"},{"cidrs":["10.0.0.0/15","fd00::/16"],"except":[]},)" +
                       R"({"cidrs":["0.0.0.0/0","::/0"],"except":["10.0.1.0/24"]},)" +
                       R"({"cidrs":["10.0.0.0/24","10.0.2.12"],"except":[]},{"cidrs":["192.0.2.0/24"],"except":[]}],)" +
                       R"("rules":[)" + rules + "]}";
  }

  void write_listener() {
    options.listeners = below(2) == 0 ? listener_json("10.8.0.1", 80) : intercept_json("192.0.2.0/24", 80);
    if (below(2) == 0) replace(options.listeners, R"("on":null)", R"("on":)" + text(below(4)));
  }

  static void replace(std::string& in, const std::string& a, const std::string& b) {
    in.replace(in.find(a), a.size(), b);
  }

  std::string source(uint32_t port) {
    if (!workloads_.empty() && below(2) == 0) return workloads_[below(static_cast<uint32_t>(workloads_.size()))].first;
    const std::string near = "10.0." + text(port) + ".";
    return one_of<std::string>({near + text(30 + below(5)), near + "2", "192.0.2.7", "10.0.1.31", "10.0.0.9",
                                "127.0.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1"});
  }
  std::string source_v6(uint32_t port) {
    if (!workloads_.empty() && below(2) == 0) return workloads_[below(static_cast<uint32_t>(workloads_.size()))].second;
    return one_of<std::string>({"fd00:0:0:" + text(port) + "::2", "2001:db8::1", "fd00:0:0:1::31", "::1", "::"});
  }
  std::string destination() {
    if (options.listeners != "[]" && below(6) == 0) return one_of<std::string>({"10.8.0.1", "192.0.2.9"});
    if (below(2) == 0) return "10.9.0." + text(below(services));
    if (!workloads_.empty() && below(2) == 0) return workloads_[below(static_cast<uint32_t>(workloads_.size()))].first;
    return one_of<std::string>({"10.0.1.2", "10.0.2.1", "10.0.0.1", "192.0.2.9", "203.0.113.5", "10.8.0.1", "127.1.1.1",
                                "0.0.0.0", "239.1.1.1", "10.0.0.9", "192.0.2.7"});
  }
  std::string destination_v6() {
    if (below(2) == 0) return "fd09::" + text(below(services));
    if (!workloads_.empty() && below(2) == 0) return workloads_[below(static_cast<uint32_t>(workloads_.size()))].second;
    return one_of<std::string>({"fd00:0:0:1::2", "fd00:0:0:2::1", "2001:db8::9", "::1", "ff02::1"});
  }

  std::mt19937 random_;
  FirstPacket last_;
  std::vector<std::pair<std::string, std::string>> workloads_;

 public:
  uint32_t endpoints_ = 0;
};

/// An opcode of each class, in their order.
constexpr uint8_t kOpcodes[wire::kRoceClasses] = {0x04, 0x0a, 0x0c, 0x13, 0x11, 0x81, 0xff};

inline Frame frame_of(const FirstPacket& packet) {
  const Tuple& tuple = packet.tuple;
  if (packet.roce)
    return roce_frame(tuple.source.to_string(), tuple.destination.to_string(),
                      roce_payload(kOpcodes[static_cast<size_t>(packet.roce->kind)], packet.roce->qp, 1),
                      tuple.source_port);
  Frame frame;
  frame.from(tuple.source.to_string(), tuple.source_port).to(tuple.destination.to_string(), tuple.destination_port);
  if (tuple.protocol == kTcp) return frame.tcp("S", 100);
  if (tuple.protocol == kUdp) return frame.udp();
  return frame.from(tuple.source.to_string()).to(tuple.destination.to_string()).echo(true, tuple.source_port);
}

inline const ExplainStep* step_of(const Explanation& explanation, Step step) {
  for (const ExplainStep& each : explanation.steps) {
    if (each.step == step) return &each;
  }
  return nullptr;
}

/// How the packet itself ends: of a connection that is taken, what becomes of it later is said as well.
inline Reason end_of(const Explanation& said) {
  const bool taken =
      step_of(said, Step::backend) || step_of(said, Step::backend_original) || step_of(said, Step::reset);
  return taken ? Reason::tcp_terminated : said.reason;
}

}  // namespace flatproxy::test
