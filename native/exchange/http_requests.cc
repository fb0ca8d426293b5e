// Requests: from a client's connection to the rule and the backend that they are for.
#include <algorithm>
#include <string>

#include "exchange/http_relay.h"
#include "exchange/relay_connection.h"
#include "exchange/request_choice.h"

namespace flatproxy {
namespace {

using http::Method;
using http::ParseError;
using http::RequestHead;

/// RFC 9110 section 9.2.2.
bool is_idempotent(Method method) {
  switch (method) {
    case Method::get:
    case Method::head:
    case Method::put:
    case Method::remove:
    case Method::options:
    case Method::trace:
      return true;
    default:
      return false;
  }
}

}  // namespace

/// Requests that stand one behind the other are answered one after the other (RFC 9112 section 9.3.2).
void HttpRelay::read_requests(HttpSession& s) {
  if (s.reading) return;
  s.reading = true;
  const uint32_t index = s.index;
  while (sessions_.holds(index) && s.stage == HttpSession::Stage::request && read_request(s)) {
  }
  if (sessions_.holds(index)) s.reading = false;
}

/// False: there is no whole head.
bool HttpRelay::read_request(HttpSession& s) {
  tcp::ByteQueue& received = incoming(*s.connection);
  if (received.empty() || (s.head_begun && !s.progress.is_due(received, settings_of(s).http.max_header_bytes))) {
    if (!has_closed(*s.connection)) return wait_for_head(s), false;
    linger(s);  // what it was sent before is still to reach it
    return false;
  }
  const http::HeadLimits limits = limits_of(settings_of(s).http);
  parsed_ = Exchange::kNone;
  const ParseError error = source_.parse_front(
      received, limits.bytes, [&](std::string_view text) { return http::parse_request(text, limits, *request_); });
  if (error == ParseError::incomplete) {
    s.progress.restart();
    s.progress.is_due(received, limits.bytes);
    if (has_closed(*s.connection)) {
      linger(s);
    } else {
      wait_for_head(s);
    }
    return false;
  }
  s.head_begun = false;
  s.active_at = now_ms();
  if (error != ParseError::none) return refuse(s, error), false;
  begin(s);
  return true;
}

/// The time for a head counts from its first byte.
void HttpRelay::wait_for_head(HttpSession& s) {
  const bool begun = !incoming(*s.connection).empty();
  if (begun && !s.head_begun) {
    s.head_begun = true;
    s.active_at = now_ms();
  }
  arm(s);
}

/// A head that did not come whole in time.
void HttpRelay::refuse_late(HttpSession& s) {
  Exchange* e = exchanges_.make();
  if (e == nullptr) return end_session(s, true);
  start(s, *e);
  fail(*e, 408, Outcome::bad_request);
}

void HttpRelay::refuse(HttpSession& s, ParseError error) {
  Exchange* e = exchanges_.make();
  if (e == nullptr) return end_session(s, true);
  start(s, *e);
  count_refusal(s, error);
  fail(*e, http::status_of(error), Outcome::bad_request);
}

/// An exchange that knows nothing of its request yet: it ends its connection.
void HttpRelay::start(HttpSession& s, Exchange& e) {
  s.stage = HttpSession::Stage::exchange;
  s.exchange = e.index;
  ++s.requests;
  HttpCounters& counters = http_counters_of(s);
  counters.requests.add(1);
  counters.active.add(1);
  e.session = s.index;
  e.began = now_;
  e.hold = routes_.hold();
}

/// A request that is well-formed.
void HttpRelay::begin(HttpSession& s) {
  const RequestHead& head = *request_;
  Exchange* made = exchanges_.make();
  if (made == nullptr) return end_session(s, true);
  Exchange& e = *made;
  start(s, e);
  tcp::ByteQueue& received = incoming(*s.connection);
  const uint32_t size = static_cast<uint32_t>(head.bytes.size());
  const uint32_t rest = received.bytes() - size;
  e.head = received.cut_front(size, buffers_);
  streams_.taken(*s.connection);
  if (received.bytes() != rest) return fail(e, 503, Outcome::no_buffers);
  parsed_ = e.index;
  const HttpSettings& settings = settings_of(s).http;
  e.version = head.version;
  e.keep_alive = head.keep_alive && !draining_ && (settings.max_requests == 0 || s.requests < settings.max_requests);
  e.asked = {head.method, head.asks_websocket};
  e.idempotent = is_idempotent(head.method);
  e.request.begin(head.body);
  if (settings.trace == HttpSettings::Trace::start && !http::trace_id(head.fields)) {
    e.trace = http::TraceParent::begin([this] { return policy_.random(); });
  }
  if (!take_path(s)) return fail(e, 400, Outcome::bad_request);
  if (!find_rule(s, e)) return fail(e, 404, Outcome::no_route);
  count_begin(e);
  if (e.rule->request_timeout > 0) e.request_deadline = now_ + e.rule->request_timeout;
  if (e.rule->redirect) return redirect(e);
  if (e.rule->direct) return answer_directly(e, *e.rule->direct);
  if (!choose_backend(e)) return fail(e, 500, Outcome::no_backend);
  retries_.begin_request(now_);
  dispatch(e);
}

/// Brings the path of the request that was parsed last into its one form. False: it is to be refused.
bool HttpRelay::take_path(const HttpSession& s) {
  return flatproxy::take_path(settings_of(s).http, *request_, path_copy_.get(), path_);
}

/// The head of an exchange's request and its path, parsed again if another one was since.
const RequestHead& HttpRelay::head_of(const Exchange& e) {
  if (parsed_ == e.index) return *request_;
  const HttpSession& s = session_of(e);
  const http::HeadLimits limits = limits_of(settings_of(s).http);
  http::parse_request(source_.front(e.head, limits.bytes), limits, *request_);
  take_path(s);
  parsed_ = e.index;
  return *request_;
}

bool HttpRelay::find_rule(const HttpSession& s, Exchange& e) {
  if (routes_.table() == nullptr) return false;
  const route::Found found = flatproxy::find_rule(*routes_.table(), s.client.listener, *request_, path_);
  e.rule = found.rule;
  e.prefix_length = found.prefix_length;
  return found.rule != nullptr;
}

bool HttpRelay::choose_backend(Exchange& e) {
  const auto& backends = e.rule->backends;
  e.backend = backend_in_turn(backends, backends.size() == 1 ? 0 : turn_++);
  return e.backend != nullptr;
}

/// Sends on what is there of a request's body.
void HttpRelay::move_request(Exchange& e) {
  HttpSession& s = session_of(e);
  tcp::Connection& client = *s.connection;
  if (e.stage == Exchange::Stage::asking || e.stage == Exchange::Stage::answering) {
    Link& link = *link_of(e);
    if (!e.request.done() && !incoming(client).empty() && streams_.may_send(*link.connection)) {
      tcp::ByteQueue out;
      const uint64_t before = e.request.data_bytes();
      const ParseError error = e.request.take(incoming(client), out, buffers_);
      streams_.taken(client);
      e.body_begun |= !out.empty();
      count_up(e, e.request.data_bytes() - before);
      streams_.send(*link.connection, std::move(out));
      if (error != ParseError::none) return refuse_body(e, error);
    }
    if (!e.request.done() && has_closed(client) && incoming(client).empty()) cut(e, Outcome::client_gone);
    return;
  }
  if (e.stage == Exchange::Stage::tunnel) move_tunnel(e, *link_of(e));
}

/// A body that breaks off. The endpoint gets no end of it.
void HttpRelay::refuse_body(Exchange& e, ParseError error) {
  const Outcome why = error == ParseError::no_buffers ? Outcome::no_buffers : Outcome::bad_request;
  count_refusal(session_of(e), error);
  if (e.stage == Exchange::Stage::answering) return cut(e, why);
  fail(e, http::status_of(error), why);
}

// Answers that need no endpoint.

void HttpRelay::answer_directly(Exchange& e, const DirectResponse& response) {
  std::string fields;
  for (const auto& [name, value] : response.headers) fields.append(name).append(": ").append(value).append("\r\n");
  e.outcome = Outcome::answered;
  write_answer(e, response.status, fields, response.body);
}

void HttpRelay::redirect(Exchange& e) {
  const Redirect& to = *e.rule->redirect;
  std::string fields = "Location: ";
  const HttpSession& s = session_of(e);
  const RedirectedFrom from{s.client.ends.destination_port, settings_of(s).http.over_tls};
  fields.append(redirect_target(to, *request_, path_, e.prefix_length, from));
  fields.append("\r\n");
  e.outcome = Outcome::answered;
  write_answer(e, to.status, fields, {});
}

}  // namespace flatproxy
