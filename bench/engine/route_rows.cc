#include "route_rows.h"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "route/table.h"
#include "row.h"

namespace flatproxy::bench {
namespace {

constexpr uint32_t kRoutes = 10'000;
constexpr uint32_t kRoutesOfHost = 4;
constexpr uint32_t kRequests = 4096;

std::string host_of(uint32_t route) { return "shop-" + std::to_string(route / kRoutesOfHost) + ".example.com"; }
std::string path_of(uint32_t route) { return "/api/v" + std::to_string(route % kRoutesOfHost); }

std::vector<HttpRoute> routes() {
  std::vector<HttpRoute> all(kRoutes);
  for (uint32_t i = 0; i < kRoutes; ++i) {
    HttpRoute::Rule rule;
    rule.matches.emplace_back().path = path_of(i);
    rule.rule.route = i;
    all[i].listeners.push_back({0, ""});
    all[i].hostnames.push_back(host_of(i));
    all[i].rules.push_back(std::move(rule));
  }
  return all;
}

http::RequestHead browser_head() {
  http::RequestHead head;
  head.method_name = "GET";
  for (const auto& [name, value] : {std::pair{"Host", "shop.example.com"},
                                    {"User-Agent", "curl/8"},
                                    {"Accept", "*/*"},
                                    {"Accept-Encoding", "gzip"},
                                    {"Cookie", "sid=1"},
                                    {"Connection", "keep-alive"}})
    head.fields.add(name, value, http::FieldId::other);
  return head;
}

}  // namespace

void route_match(int rounds) {
  const route::Table table(routes());
  const http::RequestHead head = browser_head();
  struct Target {
    const HttpRule* rule;
    std::string host;
    std::string path;
  };
  std::vector<Target> targets;
  // A large odd step: no two requests in a row share a host.
  for (uint32_t i = 0; i < kRequests; ++i) {
    const uint32_t route = i * 2654435761u % kRoutes;
    const HttpRule* rule = &table.routes()[route].rules[0].rule;
    targets.push_back({rule, host_of(route), path_of(route) + "/items/" + std::to_string(i)});
  }
  Row row{"route-10k", "ns", false, {}, {}};
  for (int i = 0; i < rounds; ++i) {
    uint64_t matched = 0;
    const double start = seconds();
    double now = start;
    do {
      for (const Target& target : targets) {
        const route::Found found = table.find(0, {target.host, target.path, {}, head});
        if (found.rule != target.rule) {
          std::fprintf(stderr, "engine_bench: a request found another route than its own\n");
          std::exit(1);
        }
      }
      matched += kRequests;
      now = seconds();
    } while (now - start < kDuration);
    row.rounds.push_back((now - start) * 1e9 / static_cast<double>(matched));
  }
  print(row);
}

}  // namespace flatproxy::bench
