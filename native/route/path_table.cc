#include "route/path_table.h"

#include <algorithm>
#include <utility>

namespace flatproxy::route {

uint32_t PathTable::add_scope() {
  scopes_.push_back({.root = static_cast<uint32_t>(nodes_.size())});
  nodes_.emplace_back();
  return static_cast<uint32_t>(scopes_.size() - 1);
}

uint32_t PathTable::add_path(uint32_t scope, HttpMatch::Path kind, const std::string& path) {
  Scope& its = scopes_[scope];
  const auto next = static_cast<uint32_t>(paths_.size());
  uint32_t number = kNone;
  switch (kind) {
    case HttpMatch::Path::exact:
      its.has_exact = true;
      number = exact_.add(scope, path, next);
      break;
    case HttpMatch::Path::prefix:
      number = add_prefix(its.root, path);
      break;
    case HttpMatch::Path::regex:
      number = patterns_.add(scope, path, next);
      if (number == next) its.unsorted.push_back({path, number});
  }
  if (number == next) paths_.emplace_back();
  return number;
}

/// Takes the first element off a path that begins with '/'.
static std::string_view take_element(std::string_view& path) {
  path.remove_prefix(1);
  const std::string_view element = path.substr(0, path.find('/'));
  path.remove_prefix(element.size());
  return element;
}

uint32_t PathTable::add_prefix(uint32_t root, std::string_view prefix) {
  if (prefix.ends_with('/')) prefix.remove_suffix(1);
  uint32_t at = root;
  for (std::string_view left = prefix; !left.empty();) {
    const std::string_view element = take_element(left);
    const auto next = static_cast<uint32_t>(nodes_.size());
    nodes_[at].leaf = false;
    const uint32_t below = elements_.add(at, element, next);
    if (below == next) nodes_.push_back({.above = at, .length = static_cast<uint32_t>(prefix.size() - left.size())});
    at = below;
  }
  if (nodes_[at].path == kNone) nodes_[at].path = static_cast<uint32_t>(paths_.size());
  return nodes_[at].path;
}

void PathTable::seal() {
  for (const auto& members : paths_) conditions_.add(members);
  paths_ = {};
  // Those above come first.
  for (Node& node : nodes_) {
    if (node.above != kNone && nodes_[node.above].path == kNone) node.above = nodes_[node.above].above;
  }
  for (Scope& scope : scopes_) {
    if (scope.unsorted.empty()) continue;
    std::vector<Expression> sorted = std::exchange(scope.unsorted, {});
    std::ranges::stable_sort(sorted, std::greater(), [](const Expression& each) { return each.pattern.size(); });
    std::vector<std::string> patterns;
    for (const Expression& each : sorted) patterns.push_back(each.pattern);
    scope.expressions = static_cast<uint32_t>(expressions_.size());
    expressions_.push_back({std::move(sorted), RegexSet(patterns)});
  }
}

Found PathTable::find(uint32_t scope, const Request& request) const {
  const Scope& its = scopes_[scope];
  if (its.has_exact) {
    const uint32_t path = exact_.find(scope, request.path);
    if (path != kNone) {
      const Candidate exact = conditions_.find(path, request);
      if (exact.rule != nullptr) return {exact.rule};
    }
  }
  if (its.expressions != kNone) {
    const Found found = find_expression(expressions_[its.expressions], request);
    if (found.rule != nullptr) return found;
  }
  return find_prefix(its.root, request);
}

Found PathTable::find_expression(const Expressions& expressions, const Request& request) const {
  if (!expressions.set.matches_any(request.path)) return {};
  std::vector<int> matching;
  expressions.set.matches(request.path, matching);
  std::ranges::sort(matching);
  Candidate best;
  size_t length = 0;
  for (const int i : matching) {
    const Expression& each = expressions.sorted[static_cast<size_t>(i)];
    // Those of one length are equal: what is asked for beside the path decides.
    if (best.rule != nullptr && each.pattern.size() != length) break;
    length = each.pattern.size();
    const Candidate candidate = conditions_.find(each.path, request);
    if (candidate.rank < best.rank) best = candidate;
  }
  return {best.rule};
}

/// The deepest node that the path's elements lead to.
uint32_t PathTable::deepest(uint32_t root, std::string_view path) const {
  uint32_t at = root;
  while (!nodes_[at].leaf && path.starts_with('/')) {
    const uint32_t below = elements_.find(at, take_element(path));
    if (below == kNone) break;
    at = below;
  }
  return at;
}

Found PathTable::find_prefix(uint32_t root, const Request& request) const {
  for (uint32_t at = deepest(root, request.path); at != kNone; at = nodes_[at].above) {
    const Node& node = nodes_[at];
    if (node.path == kNone) continue;
    const Candidate candidate = conditions_.find(node.path, request);
    if (candidate.rule != nullptr) return {candidate.rule, node.length};
  }
  return {};
}

}  // namespace flatproxy::route
