#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "route/conditions.h"
#include "route/regex.h"
#include "route/text_index.h"

namespace flatproxy::route {

/// The rule that a request is for. rule nullptr: none.
struct Found {
  const HttpRule* rule = nullptr;
  /// Bytes of the path that a PathPrefix has matched, without a slash at its end: what ReplacePrefixMatch replaces.
  uint32_t prefix_length = 0;
};

/// Paths, in scopes of their own, and what matches with that path ask beside it. Prefixes are a trie of path elements.
class PathTable {
 public:
  uint32_t add_scope();
  /// The number of a path of a scope, the same one for the same path. Exact paths and prefixes begin with '/'.
  uint32_t add_path(uint32_t scope, HttpMatch::Path kind, const std::string& path);
  /// In the order of their ranks.
  void add_match(uint32_t path, const Conditions::Member& member) { paths_[path].push_back(member); }
  /// Completes the table: nothing is added from here. Throws RegexError.
  void seal();

  /// The rule with the best path whose conditions the request meets as well: the exact path, then expressions, the
  /// longest first, then prefixes, the longest first.
  Found find(uint32_t scope, const Request& request) const;

 private:
  static constexpr uint32_t kNone = TextIndex::kNone;

  struct Node {
    uint32_t path = kNone;   // the prefix that ends here
    uint32_t above = kNone;  // while it is built the parent, then the next one up where a prefix ends
    uint32_t length = 0;     // bytes of the prefix
    bool leaf = true;
  };
  struct Expression {
    std::string pattern;
    uint32_t path;
  };
  struct Expressions {
    std::vector<Expression> sorted;  // the longest first
    RegexSet set;
  };
  struct Scope {
    uint32_t root;                 // in nodes_
    uint32_t expressions = kNone;  // in expressions_
    bool has_exact = false;
    std::vector<Expression> unsorted = {};  // while it is built
  };

  uint32_t add_prefix(uint32_t root, std::string_view prefix);
  uint32_t deepest(uint32_t root, std::string_view path) const;
  Found find_expression(const Expressions& expressions, const Request& request) const;
  Found find_prefix(uint32_t root, const Request& request) const;

  std::vector<Scope> scopes_;
  std::vector<Node> nodes_;
  std::vector<Expressions> expressions_;
  TextIndex exact_;                                     // by scope
  TextIndex patterns_;                                  // by scope
  TextIndex elements_;                                  // by the node above
  std::vector<std::vector<Conditions::Member>> paths_;  // while it is built; then sets of the same numbers
  Conditions conditions_;
};

}  // namespace flatproxy::route
