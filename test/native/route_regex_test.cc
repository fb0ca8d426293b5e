#include "route/regex.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

namespace flatproxy::route {
namespace {

TEST(RouteRegex, MatchesWholeTexts) {
  const Regex regex("/items/[0-9]+");
  EXPECT_TRUE(regex.matches("/items/42"));
  EXPECT_FALSE(regex.matches("/items/42/"));
  EXPECT_FALSE(regex.matches("x/items/42"));
  EXPECT_FALSE(regex.matches("/Items/42"));
  EXPECT_FALSE(regex.matches(""));
  EXPECT_TRUE(Regex("(?i)abc").matches("aBC"));
  EXPECT_TRUE(Regex("a|ab").matches("ab"));
  EXPECT_TRUE(Regex("").matches(""));
}

TEST(RouteRegex, TextsAreBytes) {
  const std::string no_utf8 = "a\xff\xc3z";
  EXPECT_TRUE(Regex(".*").matches(no_utf8));
  EXPECT_TRUE(Regex("a..z").matches(no_utf8));
  EXPECT_TRUE(Regex("a[^b]+").matches(no_utf8));
  EXPECT_TRUE(Regex("gr\xc3\xbc\xc3\x9f.*").matches("gr\xc3\xbc\xc3\x9f dich"));
  EXPECT_TRUE(Regex("a.b").matches("a\nb"));
  EXPECT_FALSE(Regex("(?-s)a.b").matches("a\nb"));
  EXPECT_TRUE(Regex(".*").matches(std::string_view("\0x", 2)));
}

TEST(RouteRegex, SaysWhatIsWrong) {
  EXPECT_EQ(regex_problem("/ok/.*"), "");
  EXPECT_EQ(regex_problem("a(b"), "missing ): a(b");
  EXPECT_EQ(regex_problem("[z-a]"), "invalid character class range: z-a");
  EXPECT_EQ(regex_problem(R"((a)\1)"), R"(invalid escape sequence: \1)");
  EXPECT_NE(regex_problem("((a{100}){100}){100}"), "");
  try {
    const Regex regex("*");
    FAIL();
  } catch (const RegexError& error) {
    EXPECT_EQ(error.pattern, "*");
    EXPECT_STREQ(error.what(), "no argument for repetition operator: *");
  }
}

double seconds_of(const Regex& regex, const std::string& text, bool expected) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(regex.matches(text), expected);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// What backtracks takes 2^n steps for these: years for the shortest of the texts.
TEST(RouteRegex, TakesNoLongerForWhatBacktracks) {
  for (const char* pattern : {"(a+)+", "(a|aa)+", "(a*)*", "(.*a){12}", "(x?a?){200}b?"}) {
    const Regex regex(pattern);
    const double of_short = seconds_of(regex, std::string(1'000, 'a') + '!', false);
    const double of_long = seconds_of(regex, std::string(16'000, 'a') + '!', false);
    // Sixteen times as much for sixteen times the text; the rest is for a busy machine.
    EXPECT_LT(of_long, 16 * 8 * of_short + 0.05) << pattern;
  }
}

TEST(RouteRegexSet, TellsWhichMatch) {
  const RegexSet set({"/a.*", "/ab", "/.b", "/c"});
  std::vector<int> indexes;
  const auto matching = [&](const char* text) {
    set.matches(text, indexes);
    std::ranges::sort(indexes);
    EXPECT_EQ(set.matches_any(text), !indexes.empty());
    return indexes;
  };
  EXPECT_EQ(matching("/ab"), (std::vector{0, 1, 2}));
  EXPECT_EQ(matching("/abc"), (std::vector{0}));
  EXPECT_EQ(matching("/c"), (std::vector{3}));
  EXPECT_EQ(matching("/d"), (std::vector<int>{}));
  EXPECT_EQ(matching("x/ab"), (std::vector<int>{}));
  EXPECT_THROW(RegexSet({"a", "("}), RegexError);
}

TEST(RouteRegexSet, ManyAreNoTrouble) {
  std::vector<std::string> patterns;
  for (int i = 0; i < 3000; ++i) patterns.push_back("/tenant-" + std::to_string(i) + "/(.*/)?items/[0-9]+");
  const RegexSet set(patterns);
  std::vector<int> indexes;
  for (int i = 0; i < 3000; i += 7) {
    set.matches("/tenant-" + std::to_string(i) + "/a/b/items/" + std::to_string(i), indexes);
    ASSERT_EQ(indexes, std::vector{i});
  }
  EXPECT_FALSE(set.matches_any("/tenant-1/items/x"));
}

}  // namespace
}  // namespace flatproxy::route
