// What is counted and told of exchanges, by listener, route and endpoint.
#include "exchange/http_relay.h"
#include "http/chars.h"

namespace flatproxy {
namespace {

using http::Field;
using http::FieldId;

bool is_named(const Field& field, std::string_view name) { return http::equals_ignoring_case(field.name, name); }

void tell_fields(const http::Fields& fields, ExchangeRecord& to) {
  for (const Field& field : fields) {
    if (field.id == FieldId::x_forwarded_for) to.text(ExchangeText::forwarded_for) = field.value;
    if (field.id == FieldId::traceparent) to.text(ExchangeText::traceparent) = field.value;
    if (field.id != FieldId::other) continue;
    if (is_named(field, "user-agent")) to.text(ExchangeText::user_agent) = field.value;
    if (is_named(field, "referer")) to.text(ExchangeText::referer) = field.value;
    if (is_named(field, "x-request-id")) to.text(ExchangeText::request_id) = field.value;
  }
}

}  // namespace

const HttpRoute& HttpRelay::route_of(const Exchange& e) const {
  return routes_.table_of(e.hold).routes()[e.rule->route];
}

ExchangeCounters& HttpRelay::route_counters_of(const Exchange& e) const {
  return telemetry_.routes->at(route_of(e).id);
}

ExchangeCounters& HttpRelay::endpoint_counters_of(const Exchange& e) const {
  return telemetry_.endpoints->at(e.endpoint);
}

void HttpRelay::count_begin(const Exchange& e) {
  ExchangeCounters& counters = route_counters_of(e);
  counters.requests.add(1);
  counters.active.add(1);
}

void HttpRelay::count_retry(const Exchange& e) {
  http_counters_of(session_of(e)).retries.add(1);
  route_counters_of(e).retries.add(1);
  endpoint_counters_of(e).retries.add(1);
}

/// An endpoint was chosen.
void HttpRelay::begin_try(Exchange& e) {
  ++e.tries;
  e.counted = true;
  e.try_began = now_;
  policy_.request_begins(e.endpoint);
  ExchangeCounters& counters = endpoint_counters_of(e);
  counters.requests.add(1);
  counters.active.add(1);
}

/// It has no more to do with the exchange.
void HttpRelay::end_try(Exchange& e) {
  if (!e.counted) return;
  e.counted = false;
  policy_.request_ends(e.endpoint);
  ExchangeCounters& counters = endpoint_counters_of(e);
  counters.end();
  counters.bytes_up.add(e.bytes[0]);
  counters.bytes_down.add(e.bytes[1]);
}

void HttpRelay::count_end(const Exchange& e) {
  HttpCounters& counters = http_counters_of(session_of(e));
  counters.active.set(counters.active.read() - 1);
  counters.outcomes[static_cast<size_t>(e.outcome)].add(1);
  if (e.status != 0) counters.statuses[e.status / 100 - 1u].add(1);
  if (e.rule == nullptr) return;
  ExchangeCounters& route = route_counters_of(e);
  route.end();
  route.bytes_up.add(e.bytes[0]);
  route.bytes_down.add(e.bytes[1]);
  if (e.status != 0) {
    route.count_status(e.status);
    route.latency.add(now_ - e.began);
  }
}

/// The last byte of its response has come from the endpoint.
void HttpRelay::count_whole(const Exchange& e) { endpoint_counters_of(e).latency.add(now_ - e.try_began); }

/// Tells of an exchange that has ended, while all that it names is still there.
void HttpRelay::tell_end(const Exchange& e) {
  if (telemetry_.log == nullptr || !telemetry_.log->wants(e.outcome, e.status)) return;
  const HttpSession& s = session_of(e);
  ExchangeRecord record;
  record.began = e.began;
  record.answered = e.answered;
  record.ended = now_;
  record.bytes_up = e.bytes[0];
  record.bytes_down = e.bytes[1];
  record.client = s.client.ends.source;
  record.client_port = s.client.ends.source_port;
  record.listener_id = s.client.listener;
  record.status = e.status;
  record.outcome = e.outcome;
  record.version = e.version;
  record.tries = e.tries;
  record.endpoint = e.endpoint_address;
  record.endpoint_port = e.endpoint_port;
  if (!e.head.empty()) tell_texts(e, record);
  http::TraceParent::Text trace;
  if (e.trace) {
    trace = e.trace->text();
    record.text(ExchangeText::traceparent) = {trace.data(), trace.size()};
  }
  telemetry_.log->take(record);
}

void HttpRelay::tell_texts(const Exchange& e, ExchangeRecord& to) {
  const http::RequestHead& head = head_of(e);
  to.text(ExchangeText::method) = head.method_name;
  to.text(ExchangeText::authority) = head.authority;
  to.text(ExchangeText::target) = head.target;
  tell_fields(head.fields, to);
  if (e.rule == nullptr) return;
  to.text(ExchangeText::route) = route_of(e).name;
  const Service* service = e.backend != nullptr ? policy_.service(e.backend->service) : nullptr;
  if (service != nullptr) to.text(ExchangeText::service) = service->name;
}

}  // namespace flatproxy
