#include "http_judge.h"

#include <algorithm>

namespace flatproxy::sim {
namespace {

using End = HttpStory::End;

bool is_among(Fault fault, std::initializer_list<Fault> all) {
  return std::find(all.begin(), all.end(), fault) != all.end();
}

/// Whether a response of the proxy's own may have this status.
bool may_answer(uint16_t status, const HttpPlan& plan, const HttpMood& mood) {
  // Of a connection that is closed while a request is on its way to it nobody can tell what has become of the request.
  const bool replayed = plan.idempotent() && !plan.has_body();
  switch (status) {
    case 400:
      return plan.misdeed == Misdeed::says_nonsense || plan.misdeed == Misdeed::breaks_body;
    case 404:
      return plan.route == 'x' || (plan.route == 'w' && mood.changes);
    case 408:
      return plan.misdeed == Misdeed::stops_in_head || mood.faulty;
    case 502:
      // Who refuses others also ends handshakes that the proxy takes to be over.
      return is_among(plan.fault,
                      {Fault::resets, Fault::closes, Fault::says_nonsense, Fault::cuts_head, Fault::cuts_body}) ||
             (mood.idle_closes && !replayed) || mood.refuses || mood.says_more || mood.faulty;
    case 503:
      return mood.refuses || mood.limited || mood.faulty;
    case 504:
      return plan.fault == Fault::is_silent || (mood.limited && mood.disturbed) || mood.faulty;
    default:
      return false;
  }
}

bool cuts(const HttpPlan& plan) {
  return plan.misdeed == Misdeed::ends_request || plan.misdeed == Misdeed::breaks_body ||
         is_among(plan.fault, {Fault::cuts_body, Fault::ends_body, Fault::stops_in_body});
}

/// Those behind it fall with it, and responses in front of it that its client has not read yet; so do those behind a
/// response that was whole before its request.
bool may_be_cut(const HttpStory& story, const HttpLedger& ledger) {
  const auto& all = ledger.stories();
  if (story.first > 1 && all[story.first - 2].plan.early) return true;
  return std::any_of(all.begin() + story.first - 1, all.begin() + story.last,
                     [](const HttpStory& each) { return cuts(each.plan); });
}

std::optional<std::string> judge_tries(const HttpStory& story, const HttpMesh& mesh, bool in_order) {
  const HttpPlan& plan = story.plan;
  // One more for a kept connection that was lost.
  if (story.tries.size() > mesh.tries_of(plan) + 1)
    return "it was tried " + std::to_string(story.tries.size()) + " times";
  for (uint32_t attempt = 1; attempt < story.tries.size(); ++attempt) {
    if (story.tries[attempt - 1].up > 0) return "its body was sent twice";
    const bool asked_for = plan.status_of(attempt) == 503 && mesh.tries_of(plan) > attempt;
    if (in_order && !plan.idempotent() && !asked_for) return "it came twice, and may not";
  }
  return std::nullopt;
}

std::optional<std::string> judge_end(const HttpStory& story, const HttpLedger& ledger, const HttpMood& mood) {
  switch (story.end) {
    case End::none:
      return "it has not ended";
    case End::whole:
      if (!story.tries[story.attempt - 1].answered) return "its response was whole before it was sent";
      return std::nullopt;
    case End::own:
      if (may_answer(story.status, story.plan, mood)) return std::nullopt;
      return "the proxy has answered " + std::to_string(story.status);
    case End::cut:
      if (mood.faulty || may_be_cut(story, ledger)) return std::nullopt;
      return "it was cut";
    case End::given_up:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> judge_story(const HttpStory& story, const HttpLedger& ledger, const HttpMood& mood,
                                       const HttpMesh& mesh, bool in_order) {
  const auto wrong_tries = judge_tries(story, mesh, in_order);
  return wrong_tries ? wrong_tries : judge_end(story, ledger, mood);
}

}  // namespace flatproxy::sim
