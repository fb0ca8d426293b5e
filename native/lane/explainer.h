#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "exchange/request_choice.h"
#include "lane/explain.h"
#include "wire/protocol.h"

namespace flatproxy {

/// What becomes of one packet: each of its functions is told it once.
class Explainer {
 public:
  /// @param opened what the packet has opened under another snapshot
  Explainer(const Snapshot& snapshot, const FirstPacket& packet, const FlowRecord* opened = nullptr)
      : s_(snapshot),
        packet_(packet),
        tuple_(tuple_in_zone(snapshot, packet)),
        traits_(packet.traits),
        opened_(opened) {}

  Explanation first(const LaneView& lane);
  Explanation along(const FlowRecord& flow, Direction direction, bool is_new);
  Explanation relayed(const FlowRecord& connection);
  Explanation of_connection(Reason reason, bool judged);
  Explanation of_error(const Quote& quote, const LaneView& lane);

 private:
  bool end(Reason reason, Step step, uint32_t id = Explanation::kNone, std::string at = {}) {
    e_.reason = reason;
    tell(step, id, std::move(at));
    return false;
  }
  void tell(Step step, uint32_t id = Explanation::kNone, std::string at = {}) {
    e_.steps.push_back({step, id, std::move(at)});
  }

  /// Which limits there are for a packet: of a flow that runs those of packets, of a connection that is to end here
  /// those of flows, of one that does none.
  enum class Limits : uint8_t { all, of_packets, of_flows, none };

  // Each is a step of the way; false: the packet has ended. What is of something that runs is in explain_running.cc.
  bool arrives();
  bool tag();
  bool addresses();
  bool valid_addresses();
  bool fragments();
  bool may_pass_listeners(const LaneView& lane);
  bool source();
  bool may_pass_link(const LaneView& lane);
  bool judge(const PolicyKey& key);
  bool allows(const PolicyKey& key);
  bool judge_first();
  bool judge_flowless();
  bool judge_flow(const FlowRecord& flow, bool with_duties, bool is_new);
  bool open(const Opening& opening, const LaneView& lane);
  bool translate(const Opening& opening, const LaneView& lane, const Endpoint& endpoint);
  bool meets_mid_stream() const { return is_tcp() && !traits_.opens && traits_.part < Part::later; }
  bool judge_back();
  bool may_be_met();
  bool has_hops();
  bool fits(uint16_t exit);
  bool leave(const wire::Address& destination, Direction direction, uint16_t ingress);

  Reason address_problem() const;
  bool is_on_link() const { return s_.peer(packet_.port) != kNoPort; }
  bool is_tcp() const { return tuple_.protocol == wire::protocol::kTcp; }
  uint32_t opened_endpoint(const Service& service) const;
  // What comes of a connection that a listener takes: explain_relay.cc.
  void relay(const Listener& listener, const LaneView& lane);
  void relay_connection(const Listener& listener, const LaneView& lane);
  void relay_request(const Listener& listener, const LaneView& lane);
  void tell_rule(const route::Table& routes, const Listener& listener, const http::RequestHead& head,
                 std::string_view path, const route::Found& found);
  template <typename Backend>
  const Backend* tell_backend(const std::vector<Backend>& backends, uint32_t turn);
  void lead_to_endpoint(const Service& service, const Endpoint* endpoint, Step denied);
  void lead_to(const FlowRecord& connection, uint16_t arrival, bool judged);
  void tell_service(const FlowRecord& flow);
  void pass_on();
  void follow(const Opening& opening, const LaneView& lane);
  void aside(const LaneView& lane);
  void own_address(const wire::Address& address, const LaneView& lane);
  void opinion(const PolicyKey& key, PolicyDirection direction, Step none);
  void duties(const PolicyKey& key, bool passes);

  const Snapshot& s_;
  const FirstPacket& packet_;
  const Tuple tuple_;
  const PacketTraits& traits_;
  const FlowRecord* opened_;
  Limits limits_ = Limits::all;
  Explanation e_;
};

}  // namespace flatproxy
