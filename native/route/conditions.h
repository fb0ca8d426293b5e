#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/http_route.h"
#include "route/regex.h"
#include "route/request.h"
#include "route/text_index.h"

namespace flatproxy::route {

/// A rule that a request may be for, and how it stands among those whose path is the same: the lower rank wins.
struct Candidate {
  static constexpr uint32_t kLast = ~0u;

  const HttpRule* rule = nullptr;
  uint32_t rank = kLast;
};

/// What matches ask beside host and path: method, fields, parameters. Matches with the same path are a set; of those
/// that a request meets, the one with the lowest rank is found.
///
/// Matches of a set that ask for values of the same fields and parameters have the same shape (tuple space search:
/// Srinivasan et al., SIGCOMM 1999): the values are looked up one after the other, and what is reached with the last
/// one are the matches that ask for these. So the cost grows with the number of shapes, not with that of matches; only
/// expressions, of matches with the same values, are tried one by one.
class Conditions {
 public:
  struct Member {
    const HttpMatch* match;
    Candidate candidate;
  };

  /// Adds a set; sets are numbered as they come. Throws RegexError.
  /// @param members the lowest rank first; what they point at must stay
  void add(std::span<const Member> members);
  /// The set's best candidate whose conditions the request meets; rule nullptr: there is none.
  Candidate find(uint32_t set, const Request& request) const;

 private:
  enum class Part : uint8_t { method, field, parameter };
  /// A part of a request that has a value.
  struct Place {
    Part part;
    std::string name;
    auto operator<=>(const Place&) const = default;
    std::optional<std::string_view> value_in(const Request& request, Scratch& scratch) const;
  };
  struct ValueRegex {
    Place place;
    uint32_t regex;  // in regexes_
  };
  /// One of the matches that ask for the same values.
  struct Choice {
    Candidate candidate;
    uint32_t first_regex;  // in value_regexes_
    uint32_t regexes;
  };
  struct Range {
    uint32_t first;
    uint32_t count;
  };
  /// Its values lead from state to state (a trie of values); the last one leads to a range of choices.
  struct Shape {
    uint32_t best_rank;
    uint32_t state;  // the first one; without values: the range of choices
    Range places;    // in places_
  };
  struct Set {
    Candidate otherwise;  // the best one that asks for nothing; whatever asks for something comes before it
    Range shapes;         // in shapes_, the one with the best rank first
  };
  struct Wanted;  // a member while the set is built

  Wanted wanted_of(const Member& member);
  uint32_t regex(const std::string& pattern);
  void add_shape(std::span<const Wanted> members);
  uint32_t add_choices(std::span<const Wanted* const> members);
  void lead(uint32_t state, std::span<const std::string> values, uint32_t range);
  /// The choices of a shape that ask for the request's values, or nullptr.
  const Range* choices(const Shape& shape, const Request& request, Scratch& scratch) const;
  bool meets_regexes(const Choice& choice, const Request& request, Scratch& scratch) const;

  std::vector<Set> sets_;
  std::vector<Shape> shapes_;
  std::vector<Place> places_;
  std::vector<Range> ranges_;
  std::vector<Choice> choices_;
  std::vector<ValueRegex> value_regexes_;
  std::vector<Regex> regexes_;
  std::map<std::string, uint32_t> known_regexes_;  // by pattern
  TextIndex values_;                               // scope: the state
  uint32_t states_ = 0;
};

}  // namespace flatproxy::route
