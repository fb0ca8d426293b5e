#include "http_clients.h"

#include <algorithm>

namespace flatproxy::sim {
namespace {

constexpr uint32_t kSmallWindow = 4096;

}  // namespace

HttpClients::HttpClients(test::World& node, unsigned port, const std::vector<HttpClient::Options>& clients)
    : quick_(node, port, "10.0.0.2", -1), slow_(node, port, "10.0.0.3", -1, kSmallWindow) {
  const auto happen = [this](tcp::Connection& c, uint8_t events) {
    if (c.owner != nullptr) static_cast<HttpClient*>(c.owner)->happen(events, now_);
  };
  quick_.on_event = slow_.on_event = happen;
  for (const HttpClient::Options& options : clients) {
    clients_.emplace_back(
        options.rests > 0 ? slow_ : quick_, options,
        [this](const HttpStory& about, const std::string& what) { wrong(describe(about) + ": " + what); });
  }
}

void HttpClients::step(Nanoseconds now) {
  now_ = now;
  for (test::WorldPeer* host : {&quick_, &slow_}) host->step_quietly();
  for (HttpClient& client : clients_) client.step(now);
  for (test::WorldPeer* host : {&quick_, &slow_}) host->stack().flush();
}

void HttpClients::take(const Segment* frame) {
  quick_.take(frame);
  slow_.take(frame);
}

Nanoseconds HttpClients::next_deadline() const {
  Nanoseconds next = std::min(quick_.next_deadline(), slow_.next_deadline());
  for (const HttpClient& client : clients_) next = std::min(next, client.next_deadline());
  return next;
}

bool HttpClients::done() const {
  return std::all_of(clients_.begin(), clients_.end(), [](const HttpClient& client) { return client.done(); });
}

}  // namespace flatproxy::sim
