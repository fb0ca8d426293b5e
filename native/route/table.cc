#include "route/table.h"

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <tuple>

#include "config/contradiction.h"
#include "route/regex.h"

namespace flatproxy::route {
namespace {

/// Every expression of a route by itself, so that a bad one is told with its rule.
void check_expressions(const HttpRoute& route, std::set<std::string>& good) {
  for (size_t i = 0; i < route.rules.size(); ++i) {
    const auto check = [&](const std::string& pattern) {
      if (good.contains(pattern)) return;
      const std::string problem = regex_problem(pattern);
      if (!problem.empty()) {
        contradiction("the expression '" + pattern + "' of route '" + route.name + "', rules[" + std::to_string(i) +
                      "]: " + problem);
      }
      good.insert(pattern);
    };
    for (const HttpMatch& match : route.rules[i].matches) {
      if (match.path_kind == HttpMatch::Path::regex) check(match.path);
      for (const auto* values : {&match.headers, &match.query}) {
        for (const ValueMatch& value : *values) {
          if (value.regex) check(value.value);
        }
      }
    }
  }
}

/// What decides between matches with the same path.
auto asks_for(const HttpMatch& match) {
  return std::tuple(!match.method.empty(), match.headers.size(), match.query.size());
}

}  // namespace

Table::Table(std::vector<HttpRoute> routes) : routes_(std::move(routes)) {
  std::set<std::string> good;
  for (const HttpRoute& route : routes_) {
    check_expressions(route, good);
    for (const auto& attachment : route.listeners) scope_of(attachment);
  }
  uint32_t rank = 0;
  for (const Entry& entry : in_order()) add(entry, rank++);
  try {
    paths_.seal();
  } catch (const RegexError& error) {
    contradiction("the expression '" + error.pattern + "' of a route: " + error.what());
  }
}

/// All matches, those first that go first among those with the same path.
std::vector<Table::Entry> Table::in_order() const {
  std::vector<Entry> entries;
  for (const HttpRoute& route : routes_) {
    for (const HttpRoute::Rule& rule : route.rules) {
      for (const HttpMatch& match : rule.matches) entries.push_back({&route, &rule.rule, &match});
    }
  }
  std::ranges::stable_sort(entries, std::greater(), [](const Entry& entry) { return asks_for(*entry.match); });
  return entries;
}

/// The hostnames of the routes that are attached to a listener of the mesh: a scope of hosts_.
uint32_t Table::scope_of(const HttpRoute::Attachment& attachment) {
  while (listeners_.size() <= attachment.listener) listeners_.push_back(hosts_.add_scope());
  const uint32_t listener = listeners_[attachment.listener];
  const uint32_t known = hosts_.at(listener, attachment.hostname);
  return known != HostTable::kNone ? known : hosts_.add(listener, attachment.hostname, hosts_.add_scope());
}

void Table::add(const Entry& entry, uint32_t rank) {
  static const std::vector<std::string> kAny = {""};
  for (const auto& attachment : entry.route->listeners) {
    const uint32_t hostnames = scope_of(attachment);
    for (const std::string& hostname : entry.route->hostnames.empty() ? kAny : entry.route->hostnames) {
      uint32_t scope = hosts_.at(hostnames, hostname);
      if (scope == HostTable::kNone) scope = hosts_.add(hostnames, hostname, paths_.add_scope());
      paths_.add_match(paths_.add_path(scope, entry.match->path_kind, entry.match->path),
                       {entry.match, {entry.rule, rank}});
    }
  }
}

Found Table::find(uint32_t listener, const Request& request) const noexcept {
  if (listener >= listeners_.size()) return {};
  const HostName host(request.host);
  Found found;
  hosts_.visit(listeners_[listener], host, [&](uint32_t hostnames) {
    hosts_.visit(hostnames, host, [&](uint32_t paths) {
      found = paths_.find(paths, request);
      return found.rule != nullptr;
    });
    return true;  // the most specific listener alone
  });
  return found;
}

}  // namespace flatproxy::route
