#include "packet/error.h"

#include <gtest/gtest.h>

#include "packet/reason.h"

namespace flatproxy {
namespace {

TEST(Error, CarriesCodeMessageAndRemedy) {
  try {
    throw Error("ERR_FLATPROXY_PORT", "no such interface", "create it");
  } catch (const std::runtime_error& error) {
    const auto& typed = dynamic_cast<const Error&>(error);
    EXPECT_EQ(typed.code, "ERR_FLATPROXY_PORT");
    EXPECT_STREQ(typed.what(), "no such interface");
    EXPECT_EQ(typed.remedy, "create it");
  }
}

TEST(Reason, ThoseOfWhatIsSentComeFirst) {
  for (size_t i = 0; i < kReasons; ++i) {
    const Verdict verdict = info(static_cast<Reason>(i)).verdict;
    EXPECT_EQ(verdict == Verdict::forward || verdict == Verdict::answer, i < kSentReasons) << i;
  }
}

TEST(Error, RemedyMayBeEmpty) { EXPECT_TRUE(Error("ERR_FLATPROXY_X", "message").remedy.empty()); }

}  // namespace
}  // namespace flatproxy
