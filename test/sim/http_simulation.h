#pragma once

#include <functional>

#include "http_clients.h"
#include "http_ledger.h"
#include "http_mesh.h"
#include "http_servers.h"
#include "simulation.h"

namespace flatproxy::sim {

/// Requests to a listener of HTTP, by routes to endpoints that fail in every way, from clients that do, while the mesh
/// changes. Every exchange ends once, with exactly what was planned or visibly without; and all is counted.
class HttpSimulation : public Simulation {
 public:
  explicit HttpSimulation(uint64_t seed, Trace trace = {});
  std::string describe() const override;

 private:
  /// Something that happens at a time.
  struct Change {
    Nanoseconds at;
    std::function<void()> happen;
  };

  void draw_mood();
  void draw_mesh();
  void make_node();
  void make_peers();
  HttpClient::Options draw_client(uint32_t index);
  void draw_changes();
  void draw_refusals();
  void alter_mesh(uint32_t how);
  void change(Nanoseconds now) override;
  Nanoseconds next_change() const override;
  std::optional<std::string> judge() const override;

  HttpMood mood_;
  bool in_order_ = false;
  HttpMesh mesh_;
  HttpMesh first_mesh_;
  HttpLedger ledger_;
  HttpServers* endpoints_ = nullptr;
  std::vector<Change> changes_;  // the next one last
};

}  // namespace flatproxy::sim
