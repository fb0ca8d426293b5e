#include "http_simulation.h"

#include <algorithm>
#include <array>

#include "http_counts.h"
#include "http_judge.h"
#include "http_records.h"

namespace flatproxy::sim {
namespace {

constexpr uint32_t kLongestBody = 100'000;

std::string text_of(const HttpMood& mood) {
  std::string text;
  for (const auto& [is, name] : {std::pair{mood.disturbed, "disturbed"}, std::pair{mood.idle_closes, "idle ones close"},
                                 std::pair{mood.refuses, "endpoints refuse"}, std::pair{mood.limited, "limited"},
                                 std::pair{mood.changes, "changes"}, std::pair{mood.says_more, "strays"}}) {
    if (is) text.append(", ").append(name);
  }
  return text;
}

}  // namespace

HttpSimulation::HttpSimulation(uint64_t seed, Trace trace) : Simulation(seed, std::move(trace)) {
  draw_mood();
  draw_mesh();
  make_node();
  make_peers();
  if (mood_.changes) draw_changes();
  if (mood_.refuses) draw_refusals();
  std::sort(changes_.begin(), changes_.end(), [](const Change& a, const Change& b) { return a.at > b.at; });
}

std::string HttpSimulation::describe() const {
  return std::to_string(ledger_.stories().size()) + " exchanges, " + std::to_string(mesh_.hosts.size()) + " endpoints" +
         text_of(mood_) + ", " + describe_links();
}

void HttpSimulation::draw_mood() {
  if (dice_.below(4) == 0) {
    faults_.drop = faults_.duplicate = faults_.reorder = faults_.corrupt = 0;
  } else {
    pauses_ = dice_.below(3) == 0;
  }
  in_order_ = faultless() && faults_.reorder == 0;
  mood_.faulty = !faultless();
  mood_.disturbed = dice_.below(3) != 0;
  mood_.idle_closes = dice_.below(3) == 0;
  mood_.refuses = dice_.below(6) == 0;
  mood_.limited = dice_.below(6) == 0;
  mood_.changes = dice_.below(3) == 0;
  mood_.says_more = mood_.disturbed && dice_.below(6) == 0;
}

void HttpSimulation::draw_mesh() {
  mesh_.hosts.resize(1 + dice_.below(4));
  for (uint32_t i = 0; i < mesh_.hosts.size(); ++i) mesh_.hosts[i] = i;
  mesh_.attempts = 1 + dice_.below(3);
  if (mood_.limited) {
    mesh_.max_connections = 1 + dice_.below(3);
    mesh_.max_pending = dice_.below(3) == 0 ? dice_.below(3) : 1024;
  }
  if (dice_.below(4) == 0) mesh_.link_requests = 1 + dice_.below(4);
  if (dice_.below(4) == 0) mesh_.client_requests = 1 + dice_.below(4);
  mesh_.failures = dice_.below(2) == 0 ? 5 : dice_.below(3);
  first_mesh_ = mesh_;
}

void HttpSimulation::make_node() {
  World::Options options;
  options.lanes = lanes_;
  options.seed = seed_;
  options.capacity = 256;
  options.faults = faults_;
  options.listeners = mesh_.listeners();
  options.services = mesh_.services();
  options.http_routes = mesh_.routes();
  add_node(options);
  HttpRecords::ask(*nodes_[0]);
}

void HttpSimulation::make_peers() {
  std::vector<HttpClient::Options> clients;
  const uint32_t count = 1 + dice_.below(6);
  for (uint32_t i = 0; i < count; ++i) clients.push_back(draw_client(i));
  clients_ = std::make_unique<HttpClients>(*nodes_[0], 0, clients);
  auto servers = std::make_unique<HttpServers>(*nodes_[0], 1, HttpMesh::kHosts, ledger_, mood_, dice_.next());
  endpoints_ = servers.get();
  servers_ = std::move(servers);
}

HttpClient::Options HttpSimulation::draw_client(uint32_t index) {
  HttpClient::Options client;
  client.begins = now_ + dice_.below(2'000) * kMillisecond;
  client.first_port = static_cast<uint16_t>(33'000 + dice_.below(100) * 256 + index * 32);
  client.pipelines = dice_.below(3) == 0;
  if (dice_.below(4) == 0) client.rests = (10 + dice_.below(200)) * kMillisecond;
  const uint32_t exchanges = 1 + dice_.below(8);
  for (uint32_t i = 0; i < exchanges; ++i) {
    const auto id = static_cast<uint32_t>(ledger_.stories().size() + 1);
    client.stories.push_back(&ledger_.add(draw_plan(id, mood_, kLongestBody, dice_)));
  }
  return client;
}

// What changes in the meantime.

void HttpSimulation::draw_changes() {
  const uint32_t count = 1 + dice_.below(4);
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t how = dice_.below(4);
    changes_.push_back({now_ + dice_.below(6'000) * kMillisecond, [this, how] { alter_mesh(how); }});
  }
}

void HttpSimulation::alter_mesh(uint32_t how) {
  switch (how) {
    case 0:
      mesh_.has_w = !mesh_.has_w;
      break;
    case 1:
      if (mesh_.hosts.size() > 1) mesh_.hosts.pop_back();
      break;
    case 2:
      // Another host has the endpoint's id from now on.
      mesh_.hosts[0] = mesh_.hosts[0] == 0 ? HttpMesh::kSpare : 0;
      break;
    default:
      mesh_.request_timeout += 1'000;
  }
  nodes_[0]->apply(mesh_.services(), mesh_.listeners(), mesh_.routes());
}

void HttpSimulation::draw_refusals() {
  const uint32_t count = 1 + dice_.below(4);
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t host = dice_.below(HttpMesh::kHosts);
    const Nanoseconds from = now_ + dice_.below(4'000) * kMillisecond;
    changes_.push_back({from, [this, host] { endpoints_->set_listening(host, false); }});
    changes_.push_back(
        {from + dice_.below(2'000) * kMillisecond, [this, host] { endpoints_->set_listening(host, true); }});
  }
}

void HttpSimulation::change(Nanoseconds now) {
  for (; !changes_.empty() && changes_.back().at <= now; changes_.pop_back()) changes_.back().happen();
}

Nanoseconds HttpSimulation::next_change() const { return changes_.empty() ? kNever : changes_.back().at; }

// The end.

std::optional<std::string> HttpSimulation::judge() const {
  const HttpRecords records(*nodes_[0], lanes_);
  for (const HttpStory& story : ledger_.stories()) {
    for (const auto& wrong :
         {judge_story(story, ledger_, mood_, first_mesh_, in_order_), judge_record(story, records, mood_, first_mesh_)})
      if (wrong) return sim::describe(story) + ": " + *wrong;
  }
  const HttpCounts counts = HttpCounts::of(*nodes_[0], lanes_);
  if (records.count() != counts.requests)
    return std::to_string(records.count()) + " of " + std::to_string(counts.requests) + " requests were told";
  return judge_counts(counts, ledger_, first_mesh_);
}

}  // namespace flatproxy::sim
