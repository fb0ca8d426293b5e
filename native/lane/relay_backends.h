#pragma once

#include <functional>
#include <optional>

#include "balance/picker.h"
#include "config/snapshot.h"
#include "exchange/http_relay.h"
#include "exchange/tcp_relay.h"
#include "lane/shared.h"
#include "lane/source_ports.h"
#include "lane/way.h"
#include "packet/random.h"
#include "stats/lane_counters.h"

namespace flatproxy {

/// Where a lane's relayed connections and requests lead: to which service by the backends' weights, to which endpoint
/// as the service balances, from which address and port of ours.
class RelayBackends : public RelayPolicy, public HttpPolicy {
 public:
  /// A connection's mark says whose it is.
  static constexpr uint64_t kClaimed = 1;  ///< a port was told of its reply
  static constexpr uint64_t kListed = 2;   ///< the directory of owners says which lane has it
  static std::optional<uint32_t> service_of(uint64_t mark) {
    return mark >> 40 == 0 ? std::nullopt : std::optional(static_cast<uint32_t>(mark >> 40) - 1);
  }
  static constexpr uint64_t of_service(uint32_t id) { return uint64_t{id + 1} << 40; }

  /// In the mark of a client's connection: the port that its first frame came by, and the VLAN.
  static constexpr uint64_t came_by(uint16_t port, uint16_t vlan) {
    return uint64_t{port + 1u} << 8 | uint64_t{vlan} << 24;
  }
  /// kNoPort: it has none.
  static constexpr uint16_t arrival_of(uint64_t mark) { return static_cast<uint16_t>((mark >> 8) - 1); }

  static constexpr uint16_t vlan_of(uint64_t mark) { return mark >> 24 & 0xfff; }

  using OnChange = std::function<void(FlowEventKind kind, uint32_t index)>;
  using OnRefusal = std::function<void(const FlowRecord& flow, const PolicyKey& key)>;
  /// @param on_change what TcpStage::record() has at this index was opened or ends
  /// @param on_refusal policies do not let a client have what the key says
  RelayBackends(unsigned lane, LaneShared& shared, LaneCounters& counters, LaneBalance& balance,
                const tcp::Stack& stack, LinkWays& links, OnChange on_change, OnRefusal on_refusal);

  void adopt(const Snapshot& snapshot) { snapshot_ = &snapshot; }
  void set_time(Nanoseconds now) { balance_.now = static_cast<uint32_t>(now / tcp::kSecond); }
  /// The port that a client is behind; if that is nowhere by now, the one that its connection came by.
  uint16_t port_of(const RelayClient& client) const;
  /// No reply comes to a connection's tuple any more.
  void unclaim(const Tuple& sent);
  /// Packets between a connection's ends, which are not ours, are to come to this lane, whatever flow there was.
  /// Returns the mark for it: one that has it is to be unlisted.
  uint64_t list(const Tuple& sent);
  void unlist(const Tuple& sent);

  std::optional<RelayTarget> choose(const RelayClient& client) override;
  Reason judge(const RelayClient& client, const wire::Address& source, const wire::Address& to,
               uint16_t port) const override;
  void refused(const RelayClient& client, const wire::Address& source, const wire::Address& to, uint16_t port) override;
  bool trusts(uint16_t listener, const wire::Address& peer) override;
  void endpoint_answered(const RelayTarget&, bool) override {}
  void tell(FlowEventKind kind, uint32_t index) override { on_change_(kind, 2 * index); }
  void give_back(const RelayTarget& target) override;

  const Service* service(uint32_t id) const override;
  uint32_t pick(const Service& service, uint64_t hash, const RelayClient& client, uint32_t avoided) override;
  std::optional<RelayTarget> way_to(const Service& service, const Endpoint& endpoint,
                                    const RelayClient& client) override;
  void closed(const RelayTarget& target) override;
  void request_begins(uint32_t endpoint) override { ++balance_.open_flows[endpoint]; }
  void request_ends(uint32_t endpoint) override { --balance_.open_flows[endpoint]; }
  bool usable(uint32_t endpoint) const override { return balance_.usable(endpoint); }
  void pass_over(uint32_t endpoint, Nanoseconds until) override;
  /// The turn that the next connection takes among its listener's backends.
  uint32_t turn() const { return turn_; }
  uint64_t random() override { return random_(); }
  void tell_client(FlowEventKind kind, uint32_t index) override { on_change_(kind, 2 * index + 1); }

 private:
  PolicyKey key_of(const RelayClient& client, const wire::Address& source, const wire::Address& to,
                   uint16_t port) const;
  std::optional<RelayTarget> original_of(const RelayClient& client);
  std::optional<RelayTarget> choose_of(const Service& service, const RelayClient& client);
  bool find_way(const RelayClient& client, bool from_client, RelayTarget& target);
  bool find_link(const Way& client, RelayTarget& target);
  bool find_source(RelayTarget& target, bool as_it_is);
  bool claim(uint16_t port, RelayTarget& target);

  unsigned lane_;
  LaneShared& shared_;
  LaneCounters& counters_;
  LaneBalance& balance_;
  const tcp::Stack& stack_;
  LinkWays& links_;
  const OnChange on_change_;
  const OnRefusal on_refusal_;
  const Snapshot* snapshot_ = nullptr;
  SourcePorts ports_;
  Random random_;
  uint32_t turn_ = 0;
};

}  // namespace flatproxy
