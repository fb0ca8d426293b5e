#include "http_counts.h"

#include <numeric>

namespace flatproxy::sim {
namespace {

using End = HttpStory::End;

/// The same as clients and endpoints have seen it: what has come to them the relay has counted.
struct Seen {
  uint64_t sendings = 0;  // of requests: as many have begun at most
  uint64_t ended = 0;     // with a response
  uint64_t whole = 0;     // with an endpoint's
  uint64_t arrived = 0;   // at an endpoint
  uint64_t more_tries = 0;
  uint64_t most_retries = 0;
  uint64_t up = 0;
  uint64_t most_up = 0;
  uint64_t down = 0;
  std::array<uint64_t, 5> statuses{};

  Seen(const HttpLedger& ledger, const HttpMesh& mesh) {
    for (const HttpStory& story : ledger.stories()) add(story, mesh);
  }
  void add(const HttpStory& story, const HttpMesh& mesh) {
    sendings += story.sendings;
    const bool answered = story.end == End::whole || story.end == End::own;
    ended += answered;
    whole += story.end == End::whole;
    if (answered) ++statuses[story.status / 100 - 1u];
    arrived += !story.tries.empty();
    if (!story.tries.empty()) more_tries += story.tries.size() - 1;
    most_retries += uint64_t{story.sendings} * mesh.tries_of(story.plan);
    for (const HttpTry& each : story.tries) up += each.up;
    most_up += uint64_t{story.sendings} * story.plan.up;
    down += story.down;
  }
  /// Each exchange was one, with one response.
  bool calm(const HttpLedger& ledger) const { return sendings == ledger.stories().size() && ended == sendings; }
};

std::optional<std::string> compare(const char* what, uint64_t least, uint64_t counted, uint64_t most) {
  if (least <= counted && counted <= most) return std::nullopt;
  return std::string(what) + ": " + std::to_string(counted) + " were counted, " + std::to_string(least) + " to " +
         std::to_string(most) + " there were";
}

}  // namespace

HttpCounts HttpCounts::of(test::World& node, unsigned lanes) {
  HttpCounts all;
  for (unsigned lane = 0; lane < lanes; ++lane) {
    const LaneCounters& from = node.lane(lane).counters();
    const HttpCounters& http = from.http[0];
    all.requests += http.requests.read();
    all.active += http.active.read();
    all.retries += http.retries.read();
    all.bytes_up += from.listeners[0].bytes_up.read();
    all.bytes_down += from.listeners[0].bytes_down.read();
    all.connections += from.listeners[0].active.read();
    for (const auto* table : {&from.routes, &from.endpoints})
      for (uint32_t id = 0; id < 8; ++id) all.active += table->find(id) != nullptr ? table->find(id)->active.read() : 0;
    if (const ExchangeCounters* route = from.routes.find(0)) {
      all.routed += route->requests.read();
      all.route_retries += route->retries.read();
    }
    for (uint32_t service = 0; service < 2; ++service) all.connections += from.services[service].active_flows.read();
    for (size_t i = 0; i < all.statuses.size(); ++i) all.statuses[i] += http.statuses[i].read();
    for (size_t i = 0; i < all.outcomes.size(); ++i) all.outcomes[i] += http.outcomes[i].read();
  }
  return all;
}

std::optional<std::string> judge_counts(const HttpCounts& counts, const HttpLedger& ledger, const HttpMesh& mesh) {
  const Seen seen(ledger, mesh);
  const bool calm = seen.calm(ledger);
  const auto most = [calm](uint64_t exact, uint64_t otherwise) { return calm ? exact : otherwise; };
  const uint64_t outcomes = std::accumulate(counts.outcomes.begin(), counts.outcomes.end(), uint64_t{0});
  const uint64_t completed = counts.outcomes[static_cast<size_t>(http::Outcome::completed)];
  std::optional<std::string> wrong;
  const auto check = [&](const char* what, uint64_t least, uint64_t counted, uint64_t at_most) {
    if (!wrong) wrong = compare(what, least, counted, at_most);
  };
  check("connections", 0, counts.connections, 0);
  check("requests that have not ended", 0, counts.active, 0);
  check("outcomes", counts.requests, outcomes, counts.requests);
  check("requests", seen.ended, counts.requests, seen.sendings);
  check("responses of endpoints", seen.whole, completed, most(seen.whole, seen.sendings));
  for (size_t i = 0; i < seen.statuses.size(); ++i)
    check("responses by status", seen.statuses[i], counts.statuses[i], most(seen.statuses[i], seen.sendings));
  check("retries of the route", counts.retries, counts.route_retries, counts.retries);
  check("requests of the route", seen.arrived, counts.routed, counts.requests);
  check("retries", seen.more_tries, counts.retries, seen.most_retries);
  check("bytes to endpoints", seen.up, counts.bytes_up, seen.most_up);
  check("bytes to clients", seen.down, counts.bytes_down, most(seen.down, ~uint64_t{0}));
  return wrong;
}

}  // namespace flatproxy::sim
