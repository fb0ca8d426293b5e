#pragma once

#include <cstdint>
#include <vector>

#include "config/http_route.h"
#include "route/host_table.h"
#include "route/path_table.h"
#include "route/request.h"

namespace flatproxy::route {

/// Which rule a request is for, as the Gateway API has it (HTTPRouteSpec.hostnames, HTTPRouteRule.matches):
/// 1. Of the hostnames of the mesh's listeners that share a TCP-level one, the most specific that the host matches
///    chooses the routes that there are (listener isolation).
/// 2. Routes come in the order of how specific the hostname is that the host matches: an exact one, the longest
///    wildcard, none.
/// 3. Of a hostname's matches, those come first that have an exact path, then the longest expression, then the longest
///    prefix; then those with a method, with more header fields, with more query parameters; then the earlier ones.
/// What comes first and is met wins: where no match of a more specific hostname or path is, the less specific are
/// tried.
///
/// Immutable; read by every lane. What a request costs does not depend on the number of routes, but on how many labels
/// and path elements the routes for its listener have at most, and on how many kinds of conditions stand beside its
/// path (conditions.h). Expressions are the one thing that allocates and locks (regex.h).
class Table {
 public:
  Table() = default;
  /// @param routes of every rule `route` is the index of its route here. Throws Error ERR_FLATPROXY_INTERNAL for an
  /// expression that is none; it names the rule.
  explicit Table(std::vector<HttpRoute> routes);
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  /// @param listener id of the TCP-level listener by which the request came
  Found find(uint32_t listener, const Request& request) const noexcept;
  const std::vector<HttpRoute>& routes() const { return routes_; }

 private:
  /// A match, and whose it is.
  struct Entry {
    const HttpRoute* route;
    const HttpRule* rule;
    const HttpMatch* match;
  };

  std::vector<Entry> in_order() const;
  uint32_t scope_of(const HttpRoute::Attachment& attachment);
  void add(const Entry& entry, uint32_t rank);

  std::vector<HttpRoute> routes_;
  // From scope to scope: a listener's hostnames, the hostnames of the routes attached to one of them, a hostname's
  // paths.
  std::vector<uint32_t> listeners_;  // scopes of hosts_
  HostTable hosts_;                  // values: scopes of hosts_, then of paths_
  PathTable paths_;
};

}  // namespace flatproxy::route
