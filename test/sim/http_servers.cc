#include "http_servers.h"

#include <algorithm>

namespace flatproxy::sim {

HttpServers::HttpServers(test::World& node, unsigned port, uint32_t count, HttpLedger& ledger, const HttpMood& mood,
                         uint64_t seed)
    : outside_{ledger, {}, {}}, dice_(seed) {
  outside_.wrong = [this](const HttpStory* about, const std::string& what) {
    wrong((about != nullptr ? describe(*about) + ": " : "") + what);
  };
  outside_.draw_patience = [this, closes = mood.idle_closes] {
    return closes && dice_.below(2) == 0 ? dice_.below(1'000) * tcp::kMillisecond : kNever;
  };
  for (uint32_t i = 0; i < count; ++i) {
    hosts_.push_back(std::make_unique<test::WorldPeer>(node, port, "10.0.1." + std::to_string(2 + i), -1));
    test::WorldPeer& host = *hosts_.back();
    host.on_event = [this, &host](tcp::Connection& c, uint8_t events) { happen(host, c, events); };
  }
}

void HttpServers::happen(test::WorldPeer& host, tcp::Connection& c, uint8_t events) {
  if (c.owner == nullptr) {
    servers_.emplace_back(host, c, outside_);
    c.owner = &servers_.back();
  }
  static_cast<HttpServer*>(c.owner)->happen(events, now_);
}

void HttpServers::step(Nanoseconds now) {
  now_ = now;
  for (const auto& host : hosts_) host->step_quietly();
  for (HttpServer& server : servers_) server.step(now);
  servers_.remove_if([](const HttpServer& server) { return server.gone(); });
  for (const auto& host : hosts_) host->stack().flush();
}

void HttpServers::take(const Segment* frame) {
  for (const auto& host : hosts_) host->take(frame);
}

Nanoseconds HttpServers::next_deadline() const {
  Nanoseconds next = kNever;
  for (const auto& host : hosts_) next = std::min(next, host->next_deadline());
  for (const HttpServer& server : servers_) next = std::min(next, server.next_deadline());
  return next;
}

uint32_t HttpServers::buffers_in_use() const {
  uint32_t total = 0;
  for (const auto& host : hosts_) total += host->buffers_in_use();
  return total;
}

}  // namespace flatproxy::sim
