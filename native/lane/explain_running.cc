// What becomes of packets that belong to something that runs: a flow, a connection that ends here, an error about one.
#include <string>
#include <utility>

#include "lane/explain_steps.h"
#include "lane/explainer.h"

namespace flatproxy {

Explanation Explainer::along(const FlowRecord& flow, Direction direction, bool is_new) {
  tell(Step::flow, Explanation::kNone, flow_text(flow));
  if (!arrives() || !tag() || !source() || !fragments()) return std::move(e_);
  if (traits_.misfit != Reason::forwarded) {
    end(traits_.misfit, traits_.misfit == Reason::tcp_out_of_window ? Step::out_of_window : Step::wrong_state);
    return std::move(e_);
  }
  tell_service(flow);
  // RoCEv2 loses its hop where it leaves.
  if (!flow.roce && !is_on_link() && !has_hops()) return std::move(e_);
  limits_ = Limits::of_packets;
  if (!judge_flow(flow, true, is_new)) return std::move(e_);
  if (is_on_link()) {
    pass_on();
    return std::move(e_);
  }
  e_.reason = flow.translated ? Reason::service_forwarded : Reason::forwarded;
  const wire::Address& receiver = flow.translated ? flow.nat_address : flow.original.destination;
  const uint16_t ingress = client_port_now(s_, flow.original.source, flow.ingress);
  leave(direction == kOriginal ? receiver : flow.original.source, direction, ingress);
  return std::move(e_);
}

void Explainer::tell_service(const FlowRecord& flow) {
  if (!flow.translated) return;
  e_.service = flow.service;
  e_.endpoint = flow.endpoint;
  tell(Step::service, flow.service);
  tell(Step::endpoint, flow.endpoint, end_text(flow.nat_address, flow.nat_port));
}

/// By the policies in force, unless they keep what runs and it is not new.
bool Explainer::judge_flow(const FlowRecord& flow, bool with_duties, bool is_new) {
  const Tuple& original = flow.original;
  const uint16_t arrival = client_port_now(s_, original.source, flow.ingress);
  PolicyKey key = flow.translated ? policy_key(original, flow.nat_address, flow.nat_port, arrival)
                                  : policy_key(original, original.destination, original.destination_port, arrival);
  if (flow.roce) key.roce = packet_.roce;
  if (s_.policies->cuts() || is_new) return with_duties ? judge(key) : allows(key);
  if (with_duties) duties(key, true);
  return true;
}

/// When policies change, both places are judged again. Its listener may be gone, or be meant for whom its client
/// speaks.
Explanation Explainer::relayed(const FlowRecord& connection) {
  end(Reason::tcp_terminated, Step::connection);
  if (!arrives() || !tag()) return std::move(e_);
  limits_ = Limits::none;
  const Listener* listener = listener_for(s_, packet_);
  if (listener != nullptr) e_.listener = listener->id;
  const bool cuts = s_.policies->cuts();
  // Whom somebody speaks for is not who is behind the port.
  const bool spoken_for = listener != nullptr && listener->relay.expects_proxy_header;
  const bool judged = cuts && listener != nullptr && !spoken_for;
  const uint16_t arrival = spoken_for ? packet_.port : client_port_now(s_, tuple_.source, packet_.port);
  if (judged && !judge(policy_key(tuple_, tuple_.destination, tuple_.destination_port, arrival))) return std::move(e_);
  lead_to(connection, arrival, cuts);
  return std::move(e_);
}

/// A connection that ends here goes on to its endpoint, if it has one.
void Explainer::lead_to(const FlowRecord& connection, uint16_t arrival, bool judged) {
  if (!connection.translated) return;
  e_.service = connection.service;
  e_.endpoint = connection.endpoint;
  tell(Step::endpoint, connection.endpoint, end_text(connection.nat_address, connection.nat_port));
  if (judged) judge(policy_key(tuple_, connection.nat_address, connection.nat_port, arrival));
}

Explanation Explainer::of_connection(Reason reason, bool judged) {
  if (!source()) return std::move(e_);
  limits_ = Limits::of_flows;
  const PolicyKey key = policy_key(tuple_, tuple_.destination, tuple_.destination_port, packet_.port);
  if (judged && !judge(key)) return std::move(e_);
  tell(Step::connection);
  e_.reason = reason;
  if (reason == Reason::tcp_fragmented) {
    tell(Step::segment_fragmented);
  } else if (reason == Reason::draining || reason == Reason::tcp_no_connection) {
    tell(reason == Reason::draining ? Step::draining : Step::no_connection);
  } else if (reason != Reason::tcp_terminated) {
    tell(Step::segment_fault, Explanation::kNone, std::string(info(reason).name));
  }
  return std::move(e_);
}

Explanation Explainer::of_error(const Quote& quote, const LaneView& lane) {
  if (quote.connection) {
    if (source()) end(Reason::tcp_terminated, Step::quotes_connection);
    return std::move(e_);
  }
  if (!source()) return std::move(e_);
  if (quote.fault != Reason::forwarded) {
    end(quote.fault, Step::quote_malformed, Explanation::kNone, std::string(info(quote.fault).name));
  } else if (quote.flow == nullptr) {
    if (quote.probe) {
      end(Reason::probe_answered, Step::probe);
    } else if (end(Reason::icmp_unrelated, Step::quotes_none); is_on_link()) {
      if (judge_flowless()) pass_on();
    } else if (!s_.ours(tuple_.destination)) {
      e_.reason = Reason::forwarded;
      aside(lane);
    }
  } else {
    const FlowRecord& flow = *quote.flow;
    tell(Step::quotes_flow, Explanation::kNone, flow_text(flow));
    tell_service(flow);
    if (!judge_flow(flow, false, false)) return std::move(e_);
    if (is_on_link()) {
      pass_on();
      return std::move(e_);
    }
    if (!has_hops()) return std::move(e_);
    const wire::Address& receiver = flow.translated ? flow.nat_address : flow.original.destination;
    const wire::Address& to = quote.direction == kReply ? flow.original.source : receiver;
    e_.reason = Reason::icmp_related;
    if (s_.ours(to)) {
      own_address(to, lane);
    } else {
      leave(to, kOriginal, packet_.port);
    }
  }
  return std::move(e_);
}

Explanation explain(const Snapshot& snapshot, const FirstPacket& packet, const FlowRecord& flow, Direction direction,
                    bool is_new) {
  return Explainer(snapshot, packet).along(flow, direction, is_new);
}

Explanation explain_connection(const Snapshot& snapshot, const FirstPacket& packet, Reason reason, bool judged) {
  return Explainer(snapshot, packet).of_connection(reason, judged);
}

Explanation explain_error(const Snapshot& snapshot, const FirstPacket& packet, const Quote& quote,
                          const LaneView& lane) {
  return Explainer(snapshot, packet).of_error(quote, lane);
}

Explanation explain_running(const Snapshot& snapshot, const FirstPacket& packet, const FlowRecord& flow) {
  Explainer explainer(snapshot, packet);
  return flow.terminated ? explainer.relayed(flow) : explainer.along(flow, kOriginal, false);
}

}  // namespace flatproxy
