#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "config/plan.h"
#include "packet/error.h"

namespace flatproxy::test {

class StubPort : public Port {
 public:
  StubPort(PortInfo info, int& open) : Port(std::move(info)), open_(open) { ++open_; }
  ~StubPort() override { --open_; }
  PortQueue& queue(unsigned) override { throw std::logic_error("no packets here"); }

 private:
  int& open_;
};

constexpr const char* kFlows =
    R"({"capacity":1024,"midstream":"adopt","track":"all","timeouts":{"tcpSynSent":1,"tcpSynReceived":2,)"
    R"("tcpEstablished":3,"tcpFinWait":4,"tcpCloseWait":5,"tcpLastAck":6,"tcpTimeWait":7,"tcpClose":8,"udp":9,)"
    R"("udpAssured":10,"icmp":11,"fragment":12}})";

constexpr const char* kPool =
    R"({"maxPending":1024,"idleTimeout":60000,"maxRequests":0,"affinityCookie":null,"hash":null,)"
    R"("eject":{"failures":5,"for":30000}})";

/// The text of a plan, part by part.
struct PlanText {
  uint64_t generation = 1;
  std::string base = "null";
  std::string ports = R"([{"id":0,"name":"a","own":["10.0.0.1/24"],"config":{"type":"memory"}},)"
                      R"({"id":2,"name":"b","own":["10.0.1.1/24","fd00::1/64"],"config":{"type":"memory"}}])";
  std::string flows = kFlows;
  std::string routes = R"([{"to":"10.0.0.0/24","port":0},{"to":"0.0.0.0/0","port":2,"via":"10.0.1.254"}])";
  std::string workloads = R"([{"id":0,"name":"w","port":0,"addresses":["10.0.0.9"]}])";
  std::string listeners = "[]";
  std::string http_routes = "[]";
  std::string policies = R"({"default":"allow","selectors":[],"rules":[]})";
  std::string access_log = "null";
  std::string set = "";
  std::string removed = "";

  std::string text() const {
    return R"({"generation":)" + std::to_string(generation) + R"(,"base":)" + base + R"(,"ports":)" + ports +
           R"(,"flows":)" + flows + R"(,"routes":)" + routes + R"(,"workloads":)" + workloads + R"(,"listeners":)" +
           listeners + R"(,"httpRoutes":)" + http_routes + R"(,"policies":)" + policies + R"(,"accessLog":)" +
           access_log + R"(,"services":{"set":[)" + set + R"(],"removed":[)" + removed + "]}}";
  }
  /// A plan that changes nothing yet.
  static PlanText after(const Snapshot& base) {
    PlanText plan;
    plan.generation = base.generation + 1;
    plan.base = std::to_string(base.generation);
    plan.routes = plan.workloads = plan.listeners = plan.http_routes = plan.policies = "null";
    return plan;
  }
};

inline std::string endpoint(unsigned id, const std::string& at, unsigned port = 80, unsigned weight = 1,
                            bool drain = false) {
  return R"({"id":)" + std::to_string(id) + R"(,"address":")" + at + R"(","port":)" + std::to_string(port) +
         R"(,"weight":)" + std::to_string(weight) + R"(,"drain":)" + (drain ? "true" : "false") + R"(,"name":"e"})";
}

inline std::string service(unsigned id, const std::string& virtual_address, const std::string& endpoints,
                           const std::string& check = "null") {
  return R"({"id":)" + std::to_string(id) + R"(,"name":"s)" + std::to_string(id) +
         R"(","protocol":"tcp","addresses":[")" + virtual_address +
         R"("],"port":80,"balance":"maglev","affinity":"none","healthCheck":)" + check +
         R"(,"maxConnections":0,"proxyProtocol":"none","http":)" + kPool + R"(,"endpoints":[)" + endpoints + "]}";
}

/// Builds snapshots of plans, whose ports are stubs.
class PlanTest : public testing::Test {
 protected:
  std::shared_ptr<const Snapshot> build(const PlanText& plan, const Snapshot* base = nullptr) {
    return build_text(plan.text(), base);
  }
  std::shared_ptr<const Snapshot> build_text(const std::string& text, const Snapshot* base = nullptr) {
    return build_snapshot(text, base, [this](uint16_t id, const std::string& name, const std::string&) {
      if (name == refused_) throw Error("ERR_FLATPROXY_PORT", "no such device");
      PortInfo info;
      info.id = id;
      info.name = name;
      return OpenedPort(std::make_shared<StubPort>(std::move(info), open_), found_);
    });
  }
  /// The message of the Error that a plan ends in.
  std::string refusal(const std::string& text, const Snapshot* base = nullptr,
                      const std::string& code = "ERR_FLATPROXY_INTERNAL") {
    const int before = open_;
    try {
      build_text(text, base);
    } catch (const Error& error) {
      EXPECT_EQ(error.code, code) << error.what();
      EXPECT_EQ(open_, before);
      return error.what();
    }
    ADD_FAILURE() << "was taken: " << text;
    return {};
  }

  std::string refused_;
  std::vector<wire::Prefix> found_;
  int open_ = 0;
};

}  // namespace flatproxy::test
