#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace flatproxy::route {

/// An expression that is none, or too large a one; what() says why.
struct RegexError : std::runtime_error {
  RegexError(std::string of, const std::string& why) : std::runtime_error(why), pattern(std::move(of)) {}
  std::string pattern;
};

/// A regular expression (RE2's syntax) that a whole text must match, case-sensitively. A match takes time linear in the
/// text, whatever the expression (no backtracking), and at most kMemory; RE2 keeps what it has learnt of an expression
/// for the next match, behind a lock that matches take for reading.
///
/// Texts are bytes, not UTF-8: neither paths nor field values need be UTF-8, and an octet that is no character must not
/// lead a request past a rule that says `.*`. For the same reason '.' is any byte, a decoded line break included
/// (`(?-s)` turns that off). What is written in UTF-8 matches its own bytes.
class Regex {
 public:
  static constexpr int64_t kMemory = 1 << 18;  ///< bytes, of the program and its automaton together

  /// Throws RegexError.
  explicit Regex(const std::string& pattern);
  Regex(Regex&&) noexcept;
  ~Regex();
  bool matches(std::string_view text) const noexcept;

 private:
  struct Program;
  std::unique_ptr<const Program> program_;
};

/// Many expressions that a text is matched with at once: it is read once, however many there are.
class RegexSet {
 public:
  static constexpr int64_t kMostMemory = 64 << 20;  ///< bytes; less than this is Regex::kMemory for each

  /// Throws RegexError for the first pattern that is none.
  explicit RegexSet(const std::vector<std::string>& patterns);
  RegexSet(RegexSet&&) noexcept;
  ~RegexSet();
  bool matches_any(std::string_view text) const noexcept;
  /// The indexes of those that match, in no order. RE2 allocates for it: ask matches_any() first.
  void matches(std::string_view text, std::vector<int>& indexes) const;

 private:
  struct Program;
  std::unique_ptr<const Program> program_;
};

/// Why a text is no expression; empty: it is one.
std::string regex_problem(const std::string& pattern);

}  // namespace flatproxy::route
