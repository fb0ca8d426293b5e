// From a rule's backend to an endpoint's connection: kept ones, new ones, those who wait, and those who try again.
#include <algorithm>
#include <utility>

#include "exchange/http_forward.h"
#include "exchange/http_relay.h"
#include "exchange/relay_connection.h"
#include "exchange/request_choice.h"

namespace flatproxy {
namespace {

using upstream::Pools;

constexpr Nanoseconds kMostBackOff = 10'000'000'000;

upstream::PoolSettings pool_settings(const Service& service, const RelaySettings& relay) {
  return {service.http.max_pending, service.http.max_requests, relay.connect_timeout, service.http.idle_timeout};
}

bool is_trusted(const HttpSettings& settings, const wire::Address& client) {
  const auto& trusted = settings.trusted_forwarded;
  return std::any_of(trusted.begin(), trusted.end(), [&](const auto& prefix) { return prefix.contains(client); });
}

uint64_t mix(uint64_t hash) { return (hash ^ (hash >> 29)) * 0xbf58476d1ce4e5b9u; }

}  // namespace

/// Finds an endpoint and a connection to it.
void HttpRelay::dispatch(Exchange& e) {
  const Service* service = policy_.service(e.backend->service);
  const Endpoint* endpoint = service != nullptr ? choose_endpoint(e, *service) : nullptr;
  if (endpoint == nullptr) return fail(e, 503, Outcome::no_endpoint);
  HttpSession& s = session_of(e);
  if (const Reason why = judge(e, endpoint->address, endpoint->port); why != Reason::forwarded) {
    policy_.refused(s.client, s.client.ends.source, endpoint->address, endpoint->port);
    return fail(e, 403, http::outcome_of(why));
  }
  e.pool = pools_.find(endpoint->id, endpoint->address, endpoint->port, pool_settings(*service, settings_of(s).relay));
  e.endpoint = endpoint->id;
  e.endpoint_address = endpoint->address;
  e.endpoint_port = endpoint->port;
  begin_try(e);
  s.active_at = now_ms();
  if (e.rule->backend_timeout > 0) e.try_deadline = now_ + e.rule->backend_timeout;
  if (Link* link = take_idle_link(e)) return give_link(e, *link);
  wait_for_link(e, *service, *endpoint);
}

const Endpoint* HttpRelay::choose_endpoint(Exchange& e, const Service& service) {
  const Endpoint* named = named_endpoint(service, head_of(e).fields);
  const bool left = named != nullptr && e.elsewhere && named->id == e.endpoint;
  const Endpoint* endpoint = endpoint_for(
      named, left, [this](uint32_t id) { return policy_.usable(id); }, [&] { return balanced_endpoint(e, service); });
  e.moves = endpoint != named;
  return endpoint;
}

const Endpoint* HttpRelay::balanced_endpoint(const Exchange& e, const Service& service) {
  const uint32_t avoided = e.elsewhere ? e.endpoint : Endpoint::kNone;
  const RelayClient& client = session_of(e).client;
  const uint64_t hash = service.picker_v4.asks_hash() ? request_hash(service, head_of(e).fields, client.ends) : 0;
  const uint32_t index = policy_.pick(service, hash, client, avoided);
  return index != Picker::kNone ? &service.endpoints[index] : nullptr;
}

/// One that was used last; nullptr: none is idle. What has happened to one we may not have been told yet.
upstream::Link* HttpRelay::take_idle_link(const Exchange& e) {
  if (e.retried_reuse) return nullptr;
  while (Link* link = pools_.take_idle(e.pool)) {
    if (is_silent(*link)) return link;
    close_link(*link, Pools::How::fin);
  }
  return nullptr;
}

/// For a new connection, or for whichever is free first.
void HttpRelay::wait_for_link(Exchange& e, const Service& service, const Endpoint& endpoint) {
  const upstream::Pool& pool = pools_.pool(e.pool);
  e.stage = Exchange::Stage::waiting;
  const bool opens = pool.opening > pool.waiting || open_link(e, service, endpoint);
  const bool in_vain = !opens && pools_.pool(e.pool).connections == 0;
  if (in_vain || pool.waiting >= pool.settings.max_pending) return fail(e, 503, Outcome::overflow);
  e.ticket = pools_.wait(e.pool, e.index);
  arm(session_of(e));
}

/// False: a limit is reached, or there is no way to the endpoint.
bool HttpRelay::open_link(const Exchange& e, const Service& service, const Endpoint& endpoint) {
  if (!limits_.take_endpoint(endpoint.id, service.max_connections)) return false;
  const std::optional<RelayTarget> target = policy_.way_to(service, endpoint, session_of(e).client);
  Link* link = target ? pools_.open(e.pool, *target) : nullptr;
  if (link != nullptr) {
    prepare(*link->connection);
    return true;
  }
  limits_.give_endpoint_back(endpoint.id);
  if (target) policy_.closed(*target);
  return false;
}

void HttpRelay::give_link(Exchange& e, Link& link) {
  e.link = link.index;
  e.ticket = 0;
  e.reused = link.requests > 0;
  e.stage = Exchange::Stage::asking;
  link.user = e.index;
  ++link.requests;
  link.progress.restart();
  send_request(e, link);
}

void HttpRelay::send_request(Exchange& e, Link& link) {
  const http::RequestHead& head = head_of(e);
  const HttpSession& s = session_of(e);
  const HttpSettings& settings = settings_of(s).http;
  http::HeadWriter out(buffers_);
  write_request(out, head,
                {.settings = settings,
                 .rule = *e.rule,
                 .backend = *e.backend,
                 .client = s.client,
                 .path = path_,
                 .prefix_length = e.prefix_length,
                 .trace = e.trace ? &*e.trace : nullptr,
                 .trusted = is_trusted(settings, s.client.ends.source)});
  tcp::ByteQueue bytes = out.finish();
  if (bytes.empty()) return fail(e, 503, Outcome::no_buffers);
  e.sent_from = link.connection->next + link.connection->to_send.unsent();
  streams_.send(*link.connection, std::move(bytes));
  arm(session_of(e));
  move_request(e);
}

/// An exchange has no more to do with its endpoint.
void HttpRelay::let_link_go(Exchange& e, After after) {
  end_try(e);
  e.try_deadline = kNever;
  if (e.ticket != 0) pools_.leave(e.pool);
  e.ticket = 0;
  Link* link = link_of(e);
  if (link == nullptr) return;
  e.link = Exchange::kNone;
  link->user = upstream::kNone;
  if (after == After::keep) return free_link(*link);
  close_link(*link, after == After::close ? Pools::How::fin : Pools::How::reset);
}

/// Gives a connection to whoever waits longest.
void HttpRelay::free_link(Link& link) {
  Exchange* next = next_waiting(link.pool);
  if (next == nullptr) return pools_.keep(link);
  give_link(*next, link);
}

/// Takes whoever waits longest out of a pool's queue; nullptr: nobody does.
Exchange* HttpRelay::next_waiting(uint32_t pool) {
  const uint32_t next = pools_.next_waiting(pool, [this](uint32_t user, uint64_t ticket) {
    return exchanges_.holds(user) && exchanges_[user].ticket == ticket;
  });
  if (next == upstream::kNone) return nullptr;
  exchanges_[next].ticket = 0;
  return &exchanges_[next];
}

void HttpRelay::close_link(Link& link, Pools::How how) {
  const uint32_t pool = link.pool;
  const RelayTarget target = pools_.close(link, how);
  limits_.give_endpoint_back(target.endpoint);
  policy_.closed(target);
  // Those who have waited for it look for another: one of them, or all if there is none left.
  bool first = true;
  while (pools_.pool(pool).opening < pools_.pool(pool).waiting && (first || pools_.pool(pool).connections == 0)) {
    Exchange* e = next_waiting(pool);
    if (e == nullptr) return;
    first = false;
    let_link_go(*e, After::reset);
    --e->tries;  // nothing was sent
    dispatch(*e);
  }
}

/// It could not be opened.
void HttpRelay::link_failed(Link& link) {
  Exchange* e = next_waiting(link.pool);
  count_failure(link.target, pools_.pool_of(link));
  close_link(link, Pools::How::reset);
  if (e == nullptr) return;
  const bool allowed = e->rule->retry && e->rule->retry->connect_failure;
  if (!try_again(*e, allowed)) fail(*e, 503, Outcome::connect_failed);
}

/// Endpoints that fail are passed over for a while.
void HttpRelay::count_failure(const RelayTarget& target, upstream::Pool& pool) {
  telemetry_.endpoints->at(target.endpoint).failures.add(1);
  const Service* service = policy_.service(target.service);
  if (service == nullptr || service->http.eject_failures == 0) return;
  if (++pool.failures < service->http.eject_failures) return;
  pool.failures = 0;
  policy_.pass_over(target.endpoint, now_ + service->http.eject_for);
}

/// Whether the endpoint has acknowledged no byte of the request: it has not acted on it, whatever the method.
bool HttpRelay::nothing_was_taken(const Exchange& e, const Link& link) {
  return static_cast<int32_t>(link.connection->una - e.sent_from) <= 0;
}

/// Whether not one byte of a response has come.
bool HttpRelay::is_unanswered(const Exchange& e, const Link& link) {
  return incoming(*link.connection).empty() && e.interim == 0;
}

/// Whether a request that has got no answer can be sent to another endpoint as if it had not been sent to this one.
bool HttpRelay::is_harmless_again(const Exchange& e, const Link* link) {
  if (link == nullptr) return true;
  return is_unanswered(e, *link) && may_replay(e) && (e.idempotent || nothing_was_taken(e, *link));
}

/// Tries once more after a while, if the rule and the budget let it. @param allowed the rule says so of what has
/// happened
bool HttpRelay::try_again(Exchange& e, bool allowed) {
  if (!allowed || !may_replay(e)) return false;
  // One on a kept connection that was lost is no attempt of the rule's.
  const uint32_t tries = e.tries - (e.retried_reuse ? 1u : 0u);
  if (tries > e.rule->retry->attempts || !retries_.take_retry(now_)) return false;
  e.elsewhere = true;
  count_retry(e);
  let_link_go(e, After::reset);
  const Nanoseconds base = std::min(e.rule->retry->backoff << std::min<uint32_t>(tries - 1, 10), kMostBackOff);
  // Half of it at least, so that those who have failed together do not come back together.
  e.retry_at = now_ + base / 2 + (base > 1 ? mix(now_ + e.index) % (base / 2) : 0);
  e.stage = Exchange::Stage::backing_off;
  arm(session_of(e));
  return true;
}

}  // namespace flatproxy
