#pragma once

#include <list>
#include <string>
#include <vector>

#include "http_client.h"
#include "peers.h"

namespace flatproxy::sim {

/// The clients of a simulation of HTTP: quick ones at 10.0.0.2, at 10.0.0.3 those with a small window that are slow to
/// read.
class HttpClients : public Peers {
 public:
  HttpClients(test::World& node, unsigned port, const std::vector<HttpClient::Options>& clients);
  void step(Nanoseconds now) override;
  void take(const Segment* frame) override;
  Nanoseconds next_deadline() const override;
  bool done() const override;
  uint32_t buffers_in_use() const override { return quick_.buffers_in_use() + slow_.buffers_in_use(); }

 private:
  test::WorldPeer quick_;
  test::WorldPeer slow_;
  std::list<HttpClient> clients_;
  Nanoseconds now_ = 0;
};

}  // namespace flatproxy::sim
