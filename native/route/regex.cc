#include "route/regex.h"

#include <re2/re2.h>
#include <re2/set.h>

#include <algorithm>

namespace flatproxy::route {
namespace {

RE2::Options options(int64_t memory) {
  RE2::Options chosen;
  chosen.set_encoding(RE2::Options::EncodingLatin1);
  chosen.set_dot_nl(true);
  chosen.set_never_capture(true);
  chosen.set_log_errors(false);
  chosen.set_max_mem(memory);
  return chosen;
}

re2::StringPiece piece(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

struct Regex::Program {
  RE2 expression;
};

Regex::Regex(const std::string& pattern) : program_(new Program{{pattern, options(kMemory)}}) {
  if (!program_->expression.ok()) throw RegexError(pattern, program_->expression.error());
}
Regex::Regex(Regex&&) noexcept = default;
Regex::~Regex() = default;

bool Regex::matches(std::string_view text) const noexcept { return RE2::FullMatch(piece(text), program_->expression); }

struct RegexSet::Program {
  RE2::Set set;
};

RegexSet::RegexSet(const std::vector<std::string>& patterns) {
  const int64_t memory = std::min(Regex::kMemory * static_cast<int64_t>(patterns.size()), kMostMemory);
  auto program = std::make_unique<Program>(Program{{options(memory), RE2::ANCHOR_BOTH}});
  for (const std::string& pattern : patterns) {
    std::string why;
    if (program->set.Add(piece(pattern), &why) < 0) throw RegexError(pattern, why);
  }
  RE2::Set::ErrorInfo error{};
  // What a set cannot do for want of memory shows at once: RE2 sees to it that there is room for some states.
  if (!program->set.Compile() || (!program->set.Match("", nullptr, &error) && error.kind != RE2::Set::kNoError))
    throw RegexError(patterns.empty() ? "" : patterns.front(), "it and those beside it are too large");
  program_ = std::move(program);
}
RegexSet::RegexSet(RegexSet&&) noexcept = default;
RegexSet::~RegexSet() = default;

bool RegexSet::matches_any(std::string_view text) const noexcept { return program_->set.Match(piece(text), nullptr); }

void RegexSet::matches(std::string_view text, std::vector<int>& indexes) const {
  if (!program_->set.Match(piece(text), &indexes)) indexes.clear();
}

std::string regex_problem(const std::string& pattern) {
  try {
    const Regex regex(pattern);
    return {};
  } catch (const RegexError& error) {
    return error.what();
  }
}

}  // namespace flatproxy::route
