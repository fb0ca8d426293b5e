#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "peers.h"
#include "support/simple_tcp.h"
#include "support/world_peer.h"

namespace flatproxy::sim {

/// Whom clients connect to, and to which station they send; nothing: to the node.
struct Destination {
  std::string address = "10.8.8.8";
  uint16_t port = 9000;
  std::optional<wire::Mac> gateway{};
};

/// What a connection is to do. Both sides know it by the port of its client, which the client's stream begins with.
struct Plan {
  enum class End : uint8_t { close, client_aborts, server_aborts };
  uint16_t client_port = 0;
  uint32_t up = 2;         ///< bytes that the client sends, those of its port included
  uint32_t down = 0;       ///< bytes that the server sends
  uint16_t down_mark = 0;  ///< what the server's bytes depend on: the client's port where it knows it, else 0
  End end = End::close;
  Nanoseconds begins = 0;
};

/// One side of a connection, as far as it has come.
struct Stream {
  const Plan* plan = nullptr;  ///< a server's is known when its first bytes are there
  uint32_t sent = 0;
  uint32_t received = 0;
  bool ended = false;
};

/// Hosts that send and get streams of bytes.
class TcpPeers : public Peers {
 public:
  /// Connections that carried all that was planned, both ways.
  uint32_t complete() const { return complete_; }

 protected:
  void wrong(const Plan& plan, const std::string& what);
  uint32_t complete_ = 0;
};

uint8_t byte_up(uint16_t client_port, uint32_t at);
uint8_t byte_down(uint16_t mark, uint32_t at);

/// Clients or servers on flatproxy's own TCP.
class StackPeers : public TcpPeers {
 public:
  /// @param plans of connections to open, or that are to come
  StackPeers(test::World& node, unsigned port, const std::string& address, const std::vector<Plan>& plans, bool opens,
             Destination destination = {});
  void step(Nanoseconds now) override;
  void take(const Segment* frame) override { host_.take(frame); }
  Nanoseconds next_deadline() const override;
  bool done() const override;
  uint32_t buffers_in_use() const override;

 private:
  void happen(tcp::Connection& c, uint8_t events);
  void read(tcp::Connection& c, Stream& stream);
  void write(tcp::Connection& c, Stream& stream);
  const Plan* plan_of(uint16_t client_port) const;

  test::WorldPeer host_;
  const std::vector<Plan>& plans_;
  const bool opens_;
  const Destination destination_;
  size_t opened_ = 0;
  std::map<tcp::Connection*, Stream> streams_;
};

/// The same on a TCP that shares no code with it. Its plans end in order, and servers' bytes are the same for all.
class SimplePeers : public TcpPeers {
 public:
  SimplePeers(test::World& node, unsigned port, const std::string& address, const std::string& other,
              const std::vector<Plan>& plans, bool opens);
  void step(Nanoseconds now) override;
  void take(const Segment* frame) override;
  Nanoseconds next_deadline() const override;
  bool done() const override;

 private:
  struct One {
    uint16_t client_port = 0;
    uint32_t received = 0;
    std::unique_ptr<test::SimpleTcp> tcp;
    bool counted = false;
  };
  One& make(uint16_t client_port, const Plan& plan);

  test::World& node_;
  unsigned port_;
  wire::Address address_;
  wire::Address other_;
  const std::vector<Plan>& plans_;
  const bool opens_;
  std::map<uint16_t, One> all_;  // by the other side's port, or for clients by their own
  size_t opened_ = 0;
  Nanoseconds now_ = 0;
};

}  // namespace flatproxy::sim
