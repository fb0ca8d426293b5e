#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "config/listener.h"
#include "conntrack/flow_record.h"
#include "conntrack/region.h"
#include "exchange/relay_limits.h"
#include "packet/reason.h"
#include "stats/relay_counters.h"
#include "tls/streams.h"
#include "upstream/target.h"

namespace flatproxy {

/// What a relay cannot know.
class RelayPolicy {
 public:
  virtual ~RelayPolicy() = default;
  /// Where to; nothing: nobody can serve it. May be called again for one client when the answer has its share already.
  virtual std::optional<RelayTarget> choose(const RelayClient& client) = 0;
  /// What policies say of a client's TCP to an address and port; `forwarded`: nothing against it.
  /// @param source whoever it is from: the client as TCP knows it, or whom it speaks for
  virtual Reason judge(const RelayClient& client, const wire::Address& source, const wire::Address& to,
                       uint16_t port) const = 0;
  /// Policies said no, and the connection ends for it; parameters as judge()'s.
  virtual void refused(const RelayClient& client, const wire::Address& source, const wire::Address& to,
                       uint16_t port) = 0;
  /// Whether a peer's PROXY header is believed.
  virtual bool trusts(uint16_t listener, const wire::Address& peer) = 0;
  /// A connection to an endpoint has been opened, or could not be.
  virtual void endpoint_answered(const RelayTarget& target, bool opened) = 0;
  /// A pair has an endpoint, or it ends. @param index of TcpRelay::record()
  virtual void tell(FlowEventKind kind, uint32_t index) = 0;
  /// A target that was chosen is used no more.
  virtual void give_back(const RelayTarget& target) = 0;
};

/// Relays TCP connections: what one side sends is what the other gets, FINs and resets as well. Bytes move as they lie,
/// from one connection's receive queue to the other's send queue, when there is room: a slow reader shuts the window of
/// a fast sender.
class TcpRelay {
 public:
  /// @param capacity pairs of connections at most  @param counters by listener
  TcpRelay(tls::Streams& streams, RelayPolicy& policy, RelayLimits& limits, uint32_t capacity, RelayCounters* counters);

  void configure(uint16_t listener, const RelaySettings& settings);
  /// Indexes of pairs are below it.
  uint32_t index_limit() const { return fresh_; }
  /// A pair as it is shown, but for what the transmitter knows of its client's connection. False: there is none at
  /// this index.
  bool record(uint32_t index, FlowRecord& to) const;
  /// Of whom record() says that there is one.
  const RelayClient& client(uint32_t index) const { return pairs_[index].client; }
  /// What the transmitter has kept of the client's connection: Connection::path, which stays when that has ended.
  const uint64_t* client_path(uint32_t index) const {
    const Pair& pair = pairs_[index];
    return pair.sides[kClient] != nullptr ? pair.sides[kClient]->path : pair.path;
  }
  /// Resets both sides of pairs from an index on, a slice of them. Returns where the next slice begins; 0: that was
  /// all.
  uint32_t reset_from(uint32_t index);
  /// Resets both sides of a pair that policies deny. False: there is none at this index, or they do not.
  bool reset_if_denied(uint32_t index);
  /// Pairs that there are now.
  uint32_t active() const { return fresh_ - static_cast<uint32_t>(free_.size()); }

  void set_time(Nanoseconds now);
  /// Something has happened to a connection that a listener of ours has taken or that the relay has opened: what
  /// Stack::take_ready() returned.
  void happen(tcp::Connection& c);
  /// Does what is due.
  void advance();
  Nanoseconds next_deadline() const { return wheel_.next(); }

 private:
  enum Side : uint8_t { kClient, kServer };
  enum class Stage : uint8_t { header, securing, connecting, open };
  struct Pair : ConnectionOwner {
    Pair() : ConnectionOwner(Kind::tcp_relay) {}
    tcp::Connection* sides[2] = {};
    RelayClient client{};
    RelayTarget target;
    uint32_t index = 0;
    uint32_t active_at = 0;  // milliseconds
    uint32_t opened_at = 0;  // milliseconds
    uint64_t bytes[2] = {};  // from the client, from the server
    uint64_t path[3] = {};   // of the client's connection, when that has ended
    Stage stage = Stage::header;
    bool has_target = false;
    bool live = true;
    tcp::WheelNode timer;
  };
  struct Nodes {
    Pair* pairs;
    tcp::WheelNode& operator()(uint32_t index) const { return pairs[index].timer; }
  };

  const RelaySettings& settings_of(const Pair& pair) const { return settings_[pair.client.listener]; }
  RelayCounters& counters_of(const Pair& pair) const { return counters_[pair.client.listener]; }
  void take(tcp::Connection& c);
  bool take_share(const tcp::Connection& c);
  bool is_denied(const RelayClient& client, const tcp::Connection& c) const;
  bool is_denied(const Pair& pair, const RelayTarget& target) const;
  void read_header(Pair& pair);
  void begin(Pair& pair);
  void connect(Pair& pair);
  std::optional<RelayTarget> choose(Pair& pair);
  void opened(Pair& pair);
  void ended(Pair& pair, Side side);
  void pump(Pair& pair);
  bool move(Pair& pair, Side from);
  void let_go_if_done(Pair& pair, Side side);
  static tcp::Connection* leave(Pair& pair, Side side);
  void abort(Pair& pair);
  void release(Pair& pair);
  void fire(Pair& pair);
  void give_target_back(Pair& pair);
  static FlowState state_of(const Pair& pair);

  tls::Streams& streams_;
  RelayPolicy& policy_;
  RelayLimits& limits_;
  RelayCounters* counters_;
  uint32_t capacity_;
  uint32_t fresh_ = 0;
  std::vector<uint32_t> free_;
  Region<std::byte> memory_;
  Pair* pairs_;
  tcp::TimerWheel<Nodes> wheel_;
  std::vector<RelaySettings> settings_;  // by listener
  Nanoseconds now_ = 0;
};

}  // namespace flatproxy
