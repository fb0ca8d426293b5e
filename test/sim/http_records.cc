#include "http_records.h"

#include <algorithm>

namespace flatproxy::sim {
namespace {

using End = HttpStory::End;
using http::Outcome;

bool is_among(Outcome outcome, std::initializer_list<Outcome> all) {
  return std::find(all.begin(), all.end(), outcome) != all.end();
}

/// Its head never becomes whole, or is none: nobody knows whose it is.
bool is_nameless(const HttpPlan& plan) {
  return plan.misdeed == Misdeed::says_nonsense || plan.misdeed == Misdeed::stops_in_head;
}

/// Why the proxy has answered by itself.
bool may_be_why(Outcome why, uint16_t status) {
  switch (status) {
    case 400:
    case 408:
      return why == Outcome::bad_request;
    case 404:
      return why == Outcome::no_route;
    case 502:
      return is_among(why, {Outcome::endpoint_reset, Outcome::bad_response});
    case 503:
      return is_among(why, {Outcome::no_endpoint, Outcome::overflow, Outcome::connect_failed, Outcome::no_buffers});
    case 504:
      return is_among(why, {Outcome::request_timeout, Outcome::backend_timeout, Outcome::body_timeout});
    default:
      return false;
  }
}

/// What its own plan, and nothing else, lets it end for; nothing: it is no fault that ends it, or several may.
std::optional<Outcome> planned(const HttpStory& story) {
  const HttpPlan& plan = story.plan;
  if (plan.misdeed == Misdeed::ends_request) return Outcome::client_gone;
  if (plan.misdeed == Misdeed::breaks_body) return Outcome::bad_request;
  switch (plan.fault) {
    case Fault::resets:
    case Fault::closes:
    case Fault::cuts_head:
    case Fault::cuts_body:
    case Fault::ends_body:
      return Outcome::endpoint_reset;
    case Fault::says_nonsense:
      return Outcome::bad_response;
    case Fault::stops_in_body:
      return Outcome::body_timeout;
    case Fault::is_silent:
      return plan.route == 't' ? Outcome::backend_timeout : Outcome::body_timeout;
    default:
      return std::nullopt;
  }
}

std::optional<std::string> judge_outcome(const HttpStory& story, const HttpRecord& record, const HttpMood& mood) {
  const Outcome why = record.facts.outcome;
  const std::string text = std::string("it is said to have ended for ") + http::name_of(why);
  if (story.end == End::whole && why != Outcome::completed) return text;
  if (story.end == End::own && !may_be_why(why, story.status)) return text;
  // What else may happen to it is left out.
  const bool alone = !mood.faulty && !mood.idle_closes && !mood.says_more && !mood.refuses && !mood.limited;
  const bool fails = story.end == End::own || (story.end == End::cut && story.first == story.last);
  const auto expected = planned(story);
  if (alone && fails && story.status != 404 && expected && why != *expected) return text;
  return std::nullopt;
}

/// Bytes of content, as far as the peers can know.
std::optional<std::string> judge_bytes(const HttpStory& story, const ExchangeFacts& facts) {
  uint32_t up = 0;
  for (const HttpTry& each : story.tries) up = std::max(up, each.up);
  const bool answered = story.end == End::whole || story.end == End::own;
  const uint64_t most_down = answered ? story.down : std::max(story.plan.down, story.down);
  if (facts.bytes_up < up || facts.bytes_up > story.plan.up)
    return std::to_string(facts.bytes_up) + " bytes up are told, " + std::to_string(up) + " have come";
  if (facts.bytes_down < story.down || (answered && facts.bytes_down > most_down))
    return std::to_string(facts.bytes_down) + " bytes down are told, " + std::to_string(story.down) + " have come";
  return std::nullopt;
}

std::optional<std::string> judge_texts(const HttpStory& story, const HttpRecord& record) {
  const HttpPlan& plan = story.plan;
  if (record.method != name_of(plan.verb)) return "it is told as " + record.method;
  const bool routed = record.facts.outcome != Outcome::no_route;
  if (record.route != (routed ? "shop" : "")) return "it is told of the route " + record.route;
  if (record.facts.tries > 0 && record.service != "s0" && (record.service != "s1" || plan.route != 'w'))
    return "it is told of the service " + record.service;
  return std::nullopt;
}

}  // namespace

HttpRecords::HttpRecords(test::World& node, unsigned lanes) {
  for (unsigned lane = 0; lane < lanes; ++lane) {
    ExchangeRing& ring = node.lane(lane).tcp().exchanges();
    while (ring.pop([this](const ExchangeRecord& record) {
      ++count_;
      const std::string target(record.text(ExchangeText::target));
      if (target.size() < 4) return;
      by_id_[static_cast<uint32_t>(std::stoul(target.substr(3)))].push_back(
          {record, std::string(record.text(ExchangeText::method)), std::string(record.text(ExchangeText::route)),
           std::string(record.text(ExchangeText::service))});
    })) {
    }
  }
}

const std::vector<HttpRecord>& HttpRecords::of(uint32_t id) const {
  static const std::vector<HttpRecord> kNone;
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? kNone : found->second;
}

std::optional<std::string> judge_record(const HttpStory& story, const HttpRecords& records, const HttpMood& mood,
                                        const HttpMesh& mesh) {
  const std::vector<HttpRecord>& told = records.of(story.plan.id);
  const bool answered = story.end == End::whole || story.end == End::own;
  const bool begun = !is_nameless(story.plan) && (answered || !story.tries.empty());
  if (told.size() > 1 || (begun && told.empty())) return "it is told " + std::to_string(told.size()) + " times";
  if (told.empty()) return std::nullopt;
  const HttpRecord& record = told.front();
  const ExchangeFacts& facts = record.facts;
  if (story.status != 0 && facts.status != story.status) return "its status is told as " + std::to_string(facts.status);
  if (facts.tries < story.tries.size() || facts.tries > mesh.tries_of(story.plan) + 1 + story.tries.size())
    return std::to_string(facts.tries) + " tries are told";
  if (facts.began > facts.ended) return "it is said to have ended before it began";
  for (const auto& wrong : {judge_outcome(story, record, mood), judge_bytes(story, facts), judge_texts(story, record)})
    if (wrong) return wrong;
  return std::nullopt;
}

}  // namespace flatproxy::sim
