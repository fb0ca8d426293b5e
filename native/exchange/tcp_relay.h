#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "conntrack/region.h"
#include "exchange/relay_limits.h"
#include "stats/counter.h"
#include "tcp/stack.h"
#include "wire/proxy_header.h"

namespace flatproxy {

/// How a TCP listener's connections are relayed. Times in nanoseconds; a limit of 0 is none.
struct RelaySettings {
  Nanoseconds connect_timeout = 5 * tcp::kSecond;  ///< for the endpoint to answer, and for a PROXY header to come
  Nanoseconds idle_timeout = 3600 * tcp::kSecond;  ///< without a byte in either direction
  uint32_t max_connections = 0;                    ///< of the listener
  uint32_t max_per_endpoint = 0;
  uint32_t max_per_client = 0;        ///< of one source address
  bool expects_proxy_header = false;  ///< in front of what a trusted client sends
  uint8_t sends_proxy_header = 0;     ///< to the endpoint: version 1 or 2, 0: none
};

/// Who is at the other end of a connection that was taken.
struct RelayClient {
  uint16_t listener;
  wire::ProxyHeader ends;  ///< the client's and the listener's address; those of the PROXY header, if there was one
};

struct RelayTarget {
  uint32_t endpoint = 0;  ///< of whom connections are counted
  Tuple tuple;            ///< source: an address and port of ours
};

/// What a relay cannot know.
class RelayPolicy {
 public:
  virtual ~RelayPolicy() = default;
  /// Where to; nothing: nobody can serve it. May be called again for one client when the answer has its share already.
  virtual std::optional<RelayTarget> choose(const RelayClient& client) = 0;
  /// Whether a peer's PROXY header is believed.
  virtual bool trusts(uint16_t listener, const wire::Address& peer) = 0;
  /// A connection to an endpoint has been opened, or could not be.
  virtual void endpoint_answered(uint32_t endpoint, bool opened) = 0;
  /// The port of a target is free again.
  virtual void give_back(const RelayTarget& target) = 0;
};

struct RelayCounters {
  Counter taken;       ///< connections from clients
  Counter relayed;     ///< of them, with an endpoint behind
  Counter active;      ///< now
  Counter over_limit;  ///< ended for a limit of RelaySettings, or for want of room
  Counter no_endpoint;
  Counter connect_failed;    ///< refused, unreachable or too late
  Counter bad_proxy_header;  ///< malformed, too late, or from a peer that is not trusted
  Counter idle;              ///< ended for idleness
  Counter resets;            ///< passed on
  Counter bytes_up;          ///< to endpoints
  Counter bytes_down;        ///< to clients
};

/// Relays TCP connections: what one side sends is what the other gets, FINs and resets as well. Bytes move as they lie,
/// from one connection's receive queue to the other's send queue, when there is room: a slow reader shuts the window of
/// a fast sender.
class TcpRelay {
 public:
  /// @param capacity pairs of connections at most
  TcpRelay(tcp::Stack& stack, RelayPolicy& policy, uint32_t capacity, const HashKey& key);

  void configure(uint16_t listener, const RelaySettings& settings);
  const RelayCounters& counters() const { return counters_; }

  void set_time(Nanoseconds now);
  /// Something has happened to a connection that a listener of ours has taken or that the relay has opened: what
  /// Stack::take_ready() returned.
  void happen(tcp::Connection& c);
  /// Does what is due.
  void advance();
  Nanoseconds next_deadline() const { return wheel_.next(); }

 private:
  enum Side : uint8_t { kClient, kServer };
  enum class Stage : uint8_t { header, connecting, open };
  struct Pair {
    tcp::Connection* sides[2] = {};
    RelayClient client{};
    wire::Address peer;  // the client as TCP knows it: the limit for clients counts it
    RelayTarget target;
    uint32_t index = 0;
    uint32_t active_at = 0;  // milliseconds
    Stage stage = Stage::header;
    bool has_target = false;
    tcp::WheelNode timer;
  };
  struct Nodes {
    Pair* pairs;
    tcp::WheelNode& operator()(uint32_t index) const { return pairs[index].timer; }
  };

  const RelaySettings& settings_of(const Pair& pair) const { return settings_[pair.client.listener]; }
  void take(tcp::Connection& c);
  bool within_limits(const tcp::Connection& c);
  void read_header(Pair& pair);
  void connect(Pair& pair);
  std::optional<RelayTarget> choose(Pair& pair);
  void opened(Pair& pair);
  void ended(Pair& pair, Side side);
  void pump(Pair& pair);
  bool move(Pair& pair, Side from);
  void let_go_if_done(Pair& pair, Side side);
  void abort(Pair& pair);
  void release(Pair& pair);
  void fire(Pair& pair);
  void give_target_back(Pair& pair);

  tcp::Stack& stack_;
  RelayPolicy& policy_;
  uint32_t capacity_;
  uint32_t fresh_ = 0;
  std::vector<uint32_t> free_;
  Region<std::byte> memory_;
  Pair* pairs_;
  tcp::TimerWheel<Nodes> wheel_;
  std::vector<RelaySettings> settings_;  // by listener
  std::vector<uint32_t> of_listener_;    // connections, by listener
  Shares<wire::Address, KeyedAddressHash> of_client_;
  Shares<uint32_t, std::hash<uint32_t>> of_endpoint_;
  RelayCounters counters_;
  Nanoseconds now_ = 0;
};

}  // namespace flatproxy
