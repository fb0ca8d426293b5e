#include "http_ledger.h"

#include <array>

namespace flatproxy::sim {
namespace {

constexpr std::array kCodings{"none", "length", "chunked", "until close"};
constexpr std::array kFaults{"",          "unwanted status", "resets",    "closes",        "is silent", "says nonsense",
                             "cuts head", "cuts body",       "ends body", "stops in body", "says more"};
constexpr std::array kMisdeeds{
    "", "aborts request", "ends request", "stops in head", "says nonsense", "breaks body", "aborts response"};
constexpr std::array kEnds{"none", "whole", "the proxy's own", "cut", "given up"};

template <typename Names, typename Value>
const char* name_in(const Names& names, Value value) {
  return names[static_cast<size_t>(value)];
}

}  // namespace

std::string describe(const HttpStory& story) {
  const HttpPlan& plan = story.plan;
  std::string text = "exchange " + std::to_string(plan.id) + " (" + name_of(plan.verb) + " /" + plan.route;
  const auto add = [&](bool is, const std::string& what) { text += is ? ", " + what : ""; };
  add(plan.has_body(), std::to_string(plan.up) + " bytes by " + name_in(kCodings, plan.up_coding));
  add(plan.expects, "expects 100");
  add(plan.half_closes, "half-closes");
  add(plan.misdeed != Misdeed::none, std::string("client ") + name_in(kMisdeeds, plan.misdeed));
  add(true, std::to_string(plan.status) + " with " + std::to_string(plan.down) + " bytes by " +
                name_in(kCodings, plan.down_coding));
  add(plan.closes, "closes");
  add(plan.early, "early");
  add(plan.fault != Fault::none,
      "endpoint " + std::to_string(plan.fault_tries) + " times " + name_in(kFaults, plan.fault));
  text += "; tries:";
  for (const HttpTry& each : story.tries)
    text.append(" ")
        .append(std::to_string(each.up))
        .append(each.whole ? " whole" : "")
        .append(each.answered ? " answered" : "");
  text.append("; end: ").append(name_in(kEnds, story.end)).append(" ").append(std::to_string(story.status));
  add(story.first != story.last, "with " + std::to_string(story.first) + " to " + std::to_string(story.last));
  return text + ")";
}

}  // namespace flatproxy::sim
