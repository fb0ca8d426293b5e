// Responses: from an endpoint's connection to the client that waits for them.
#include <algorithm>
#include <utility>

#include "exchange/http_forward.h"
#include "exchange/http_relay.h"
#include "exchange/relay_connection.h"
#include "http/status.h"

namespace flatproxy {
namespace {

using http::ParseError;
using upstream::Pools;

constexpr uint8_t kMostInterim = 16;  // responses before the last one

bool is_over(const tcp::Connection& c) { return has_closed(c) || c.state == tcp::State::closed; }

}  // namespace

/// Whether it has said nothing, as one has to that nobody has asked: what it says would pass for an answer to whoever
/// asks next.
bool HttpRelay::is_silent(const Link& link) { return incoming(*link.connection).empty() && !is_over(*link.connection); }

void HttpRelay::link_happened(Link& link, uint8_t events) {
  const bool ended = (events & tcp::kEnded) != 0;
  if (!link.open) {
    if (ended) return link_failed(link);
    if ((events & tcp::kOpened) == 0) return;
    pools_.opened(link);
    if (!is_silent(link)) return link_failed(link);
    return free_link(link);
  }
  if (link.user == upstream::kNone) {
    if (!is_silent(link)) close_link(link, Pools::How::fin);
    return;
  }
  Exchange& e = exchanges_[link.user];
  const uint32_t user = link.user;
  if ((events & tcp::kWritable) != 0) move_request(e);
  if (!exchanges_.holds(user) || e.link != link.index) return;
  if (e.stage == Exchange::Stage::asking) return read_response(e, link);
  move_response(e);
}

void HttpRelay::read_response(Exchange& e, Link& link) {
  const HttpSettings& settings = settings_of(session_of(e)).http;
  const http::HeadLimits limits{.bytes = settings.max_header_bytes, .fields = settings.max_headers};
  while (e.stage == Exchange::Stage::asking) {
    tcp::ByteQueue& received = incoming(*link.connection);
    ParseError error = ParseError::incomplete;
    if (!received.empty() && (!e.head_begun || link.progress.is_due(received, limits.bytes))) {
      error = source_.parse_front(received, limits.bytes, [&](std::string_view text) {
        return http::parse_response(text, limits, e.asked, *response_);
      });
    }
    if (error == ParseError::incomplete) {
      if (is_over(*link.connection)) return endpoint_is_silent(e, link);
      if (received.empty() || e.head_begun) return;
      e.head_begun = true;
      link.progress.restart();
      link.progress.is_due(received, limits.bytes);
      return;
    }
    if (error != ParseError::none) {
      count_refusal(session_of(e), error);
      count_failure(link.target, pools_.pool_of(link));
      return fail(e, 502, Outcome::bad_response);
    }
    e.head_begun = false;
    session_of(e).active_at = now_ms();
    if (http::is_interim(response_->status)) {
      if (!pass_interim(e, link)) return;
    } else if (!answer(e, link)) {
      return;
    }
  }
  move_response(e);
}

/// A 1xx, which is no answer yet (RFC 9110 section 15.2). False: the exchange has ended.
bool HttpRelay::pass_interim(Exchange& e, Link& link) {
  if (++e.interim > kMostInterim) return fail(e, 502, Outcome::bad_response), false;
  if (e.version == http::Version::http11) {
    http::HeadWriter out(buffers_);
    write_interim(out, *response_);
    streams_.send(*session_of(e).connection, out.finish());
  }
  drop_head(link, response_->bytes.size());
  return true;
}

/// The final response's head. False: there is another try, or the exchange has ended.
bool HttpRelay::answer(Exchange& e, Link& link) {
  const http::ResponseHead& head = *response_;
  const auto& retry = e.rule->retry;
  endpoint_counters_of(e).count_status(head.status);
  const bool unwanted = retry && std::find(retry->codes.begin(), retry->codes.end(), head.status) != retry->codes.end();
  if (try_again(e, unwanted)) return false;
  HttpSession& s = session_of(e);
  const bool plain = e.version == http::Version::http10 && head.body.kind == http::BodyKind::chunked;
  const bool until_close = plain || head.body.kind == http::BodyKind::until_close;
  const bool tunnel = head.status == 101 || (e.asked.method == http::Method::connect && head.status / 100 == 2);
  // A body that was held back until now is not awaited any more.
  const bool body_in_doubt = !e.request.done() && !e.body_begun;
  e.keep_alive = e.keep_alive && !until_close && !body_in_doubt && !draining_ && !tunnel;
  e.status = head.status;
  e.answered = now_;
  e.link_keeps = head.keep_alive;
  e.response.begin(head.body, plain ? http::ChunkedReader::Form::plain : http::ChunkedReader::Form::coded);
  http::HeadWriter out(buffers_);
  write_response(out, head,
                 {.rule = *e.rule,
                  .backend = *e.backend,
                  .client = e.version,
                  .keep_alive = e.keep_alive,
                  .tunnel = tunnel,
                  .cookie = cookie_of(e, link)});
  tcp::ByteQueue bytes = out.finish();
  if (bytes.empty()) return fail(e, 503, Outcome::no_buffers), false;
  streams_.send(*s.connection, std::move(bytes));
  drop_head(link, head.bytes.size());
  e.stage = tunnel ? Exchange::Stage::tunnel : Exchange::Stage::answering;
  e.try_deadline = kNever;
  return true;
}

AffinityCookie HttpRelay::cookie_of(const Exchange& e, const Link& link) const {
  const Service* service = e.moves ? policy_.service(e.backend->service) : nullptr;
  if (service == nullptr) return {};
  const Tuple& tuple = link.target.tuple;
  return {.name = service->http.affinity_cookie,
          .value = affinity_value(tuple.destination, tuple.destination_port),
          .ttl = service->http.affinity_ttl};
}

void HttpRelay::drop_head(Link& link, size_t size) {
  incoming(*link.connection).drop_front(static_cast<uint32_t>(size));
  streams_.taken(*link.connection);
}

/// Passes on what is there of a response's body.
void HttpRelay::move_response(Exchange& e) {
  Link& link = *link_of(e);
  if (e.stage == Exchange::Stage::tunnel) return move_tunnel(e, link);
  HttpSession& s = session_of(e);
  tcp::ByteQueue& received = incoming(*link.connection);
  if (!received.empty() && !e.response.done() && streams_.may_send(*s.connection)) {
    tcp::ByteQueue out;
    const uint64_t before = e.response.data_bytes();
    const ParseError error = e.response.take(received, out, buffers_);
    streams_.taken(*link.connection);
    count_down(e, e.response.data_bytes() - before);
    streams_.send(*s.connection, std::move(out));
    if (error != ParseError::none) {
      count_refusal(s, error);
      count_failure(link.target, pools_.pool_of(link));
      return cut(e, error == ParseError::no_buffers ? Outcome::no_buffers : Outcome::bad_response);
    }
  }
  if (e.response.done()) return finish(e);
  if (!is_over(*link.connection)) return;
  const bool reset = link.connection->state == tcp::State::closed && !ended_in_order(*link.connection);
  // A response cut short is never passed on as a whole one.
  if (reset || (received.empty() && !e.response.ends_with_close())) {
    count_failure(link.target, pools_.pool_of(link));
    return cut(e, Outcome::endpoint_reset);
  }
  if (received.empty()) finish(e);
}

/// The endpoint has closed its connection, and there is no response.
void HttpRelay::endpoint_is_silent(Exchange& e, Link& link) {
  const bool harmless = is_harmless_again(e, &link);
  if (harmless && e.reused && !e.retried_reuse) {
    // It was closed while the request was on its way (RFC 9112 section 9.3.1).
    e.retried_reuse = true;
    count_retry(e);
    let_link_go(e, After::reset);
    return dispatch(e);
  }
  count_failure(link.target, pools_.pool_of(link));
  const bool allowed = harmless && e.rule->retry && e.rule->retry->reset;
  if (!try_again(e, allowed)) fail(e, 502, Outcome::endpoint_reset);
}

/// What one side says the other gets, whatever it is (RFC 9110 sections 7.8 and 9.3.6).
void HttpRelay::move_tunnel(Exchange& e, Link& link) {
  HttpSession& s = session_of(e);
  if (const uint32_t n = pass(*s.connection, *link.connection); n > 0) count_up(e, n);
  if (const uint32_t n = pass(*link.connection, *s.connection); n > 0) count_down(e, n);
  const auto reset = [](const tcp::Connection& c) { return c.state == tcp::State::closed && !ended_in_order(c); };
  if (reset(*link.connection)) return cut(e, Outcome::endpoint_reset);
  const auto done = [](tcp::Connection& c) {
    return incoming(c).empty() && (ended_in_order(c) || (has_closed(c) && c.has(tcp::kFinQueued)));
  };
  if (!done(*s.connection) || !done(*link.connection)) return arm(s);
  finish(e);
}

/// Returns how many bytes have moved.
uint32_t HttpRelay::pass(tcp::Connection& from, tcp::Connection& to) {
  const uint32_t n = incoming(from).bytes() > 0 && streams_.may_send(to) ? incoming(from).bytes() : 0;
  if (n > 0) {
    streams_.send(to, std::move(incoming(from)));
    streams_.taken(from);
  }
  if (incoming(from).empty() && (has_closed(from) || ended_in_order(from))) streams_.shut_down(to);
  return n;
}

// Ends.

/// An exchange that gets no response from an endpoint.
void HttpRelay::fail(Exchange& e, uint16_t status, Outcome why) {
  e.outcome = why;
  if (e.stage >= Exchange::Stage::answering) return cut(e, why);
  std::string body(http::reason_of(status));
  body += "\n";
  write_answer(e, status, "Content-Type: text/plain\r\n", body);
}

/// An answer of our own.
void HttpRelay::write_answer(Exchange& e, uint16_t status, std::string_view fields, std::string_view body) {
  HttpSession& s = session_of(e);
  let_link_go(e, After::reset);
  e.status = status;
  e.answered = now_;
  e.keep_alive = e.keep_alive && e.request.done();
  http::HeadWriter out(buffers_);
  out << "HTTP/1.1 " << uint64_t{status} << " " << http::reason_of(status) << "\r\n" << fields;
  const bool has_body = status != 204 && status != 304;
  if (has_body) out << "Content-Length: " << uint64_t{body.size()} << "\r\n";
  if (!e.keep_alive) out << "Connection: close\r\n";
  if (e.keep_alive && e.version == http::Version::http10) out << "Connection: keep-alive\r\n";
  out << "\r\n";
  const bool has_content = has_body && e.asked.method != http::Method::head;
  if (has_content) out << body;
  tcp::ByteQueue bytes = out.finish();
  const bool sent = !bytes.empty();
  streams_.send(*s.connection, std::move(bytes));
  if (has_content) count_down(e, body.size());
  const bool goes_on = e.keep_alive && sent;
  end_exchange(e);
  if (!goes_on) return linger(s);
  s.stage = HttpSession::Stage::request;
  read_requests(s);
}

/// All of the response has come.
void HttpRelay::finish(Exchange& e) {
  HttpSession& s = session_of(e);
  Link& link = *link_of(e);
  const uint32_t most = pools_.pool_of(link).settings.max_requests;
  const bool reusable = e.link_keeps && e.request.done() && e.stage != Exchange::Stage::tunnel && is_silent(link) &&
                        (most == 0 || link.requests < most);
  const bool goes_on = e.keep_alive && e.request.done();
  pools_.pool_of(link).failures = 0;
  count_whole(e);
  let_link_go(e, reusable ? After::keep : After::close);
  end_exchange(e);
  if (!goes_on) return linger(s);
  s.stage = HttpSession::Stage::request;
  read_requests(s);
}

/// A response that cannot be completed: the client is told by a reset.
void HttpRelay::cut(Exchange& e, Outcome why) {
  HttpSession& s = session_of(e);
  e.outcome = why;
  end_exchange(e);
  end_session(s, true);
}

void HttpRelay::end_exchange(Exchange& e) {
  HttpSession& s = session_of(e);
  count_end(e);
  tell_end(e);
  let_link_go(e, After::reset);
  routes_.let_go(e.hold);
  if (parsed_ == e.index) parsed_ = Exchange::kNone;
  s.exchange = HttpSession::kNone;
  s.active_at = now_ms();
  exchanges_.destroy(e);
}

}  // namespace flatproxy
