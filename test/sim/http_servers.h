#pragma once

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "http_server.h"
#include "peers.h"

namespace flatproxy::sim {

/// The endpoints of a simulation of HTTP.
class HttpServers : public Peers {
 public:
  /// @param count endpoints, the first at 10.0.1.2
  HttpServers(test::World& node, unsigned port, uint32_t count, HttpLedger& ledger, const HttpMood& mood,
              uint64_t seed);
  void step(Nanoseconds now) override;
  void take(const Segment* frame) override;
  Nanoseconds next_deadline() const override;
  bool done() const override { return servers_.empty(); }
  uint32_t buffers_in_use() const override;
  /// Whether an endpoint takes connections from now on.
  void set_listening(uint32_t endpoint, bool listens) { hosts_[endpoint]->set_listening(listens); }

 private:
  void happen(test::WorldPeer& host, tcp::Connection& c, uint8_t events);

  HttpServer::Outside outside_;
  test::Dice dice_;
  std::vector<std::unique_ptr<test::WorldPeer>> hosts_;
  std::list<HttpServer> servers_;  // connections
  Nanoseconds now_ = 0;
};

}  // namespace flatproxy::sim
