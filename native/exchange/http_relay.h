#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "config/service.h"
#include "conntrack/flow_record.h"
#include "conntrack/slab.h"
#include "exchange/exchange_record.h"
#include "exchange/http_exchange.h"
#include "exchange/relay_limits.h"
#include "exchange/route_holds.h"
#include "http/head_source.h"
#include "http/request_parse.h"
#include "packet/reason.h"
#include "stats/counter_table.h"
#include "stats/exchange_counters.h"
#include "stats/http_counters.h"
#include "stats/relay_counters.h"
#include "tls/streams.h"
#include "upstream/pools.h"
#include "upstream/retry_budget.h"

namespace flatproxy {

/// What a relay of requests cannot know.
class HttpPolicy {
 public:
  virtual ~HttpPolicy() = default;
  /// nullptr: there is none any more.
  virtual const Service* service(uint32_t id) const = 0;
  /// An endpoint for a request, as an index in the service, or Picker::kNone.
  /// @param avoided the id of one that is taken only if there is no other; Endpoint::kNone: none is
  virtual uint32_t pick(const Service& service, uint64_t hash, const RelayClient& client, uint32_t avoided) = 0;
  /// How to connect to it; nothing: there is no way, or no port to come from.
  virtual std::optional<RelayTarget> way_to(const Service& service, const Endpoint& endpoint,
                                            const RelayClient& client) = 0;
  /// A connection to it has ended, or was not begun.
  virtual void closed(const RelayTarget& target) = 0;
  /// A request is given to an endpoint, or has ended there.
  virtual void request_begins(uint32_t endpoint) = 0;
  virtual void request_ends(uint32_t endpoint) = 0;
  /// Whether it is neither unhealthy nor passed over.
  virtual bool usable(uint32_t endpoint) const = 0;
  /// Until then others are chosen, if there are any.
  virtual void pass_over(uint32_t endpoint, Nanoseconds until) = 0;
  /// 64 bits that do not repeat; no secret.
  virtual uint64_t random() = 0;
  /// What policies say of a client's TCP to an address and port; `forwarded`: nothing against it.
  /// @param source whoever it is from: the client as TCP knows it, or whom it speaks for
  virtual Reason judge(const RelayClient& client, const wire::Address& source, const wire::Address& to,
                       uint16_t port) const = 0;
  /// Policies said no, and the connection, or the request, ends for it; parameters as judge()'s.
  virtual void refused(const RelayClient& client, const wire::Address& source, const wire::Address& to,
                       uint16_t port) = 0;
  /// Whether a peer's PROXY header is believed.
  virtual bool trusts(uint16_t listener, const wire::Address& peer) = 0;
  /// A client's connection is there, or ends. @param index of HttpRelay::record()
  virtual void tell_client(FlowEventKind kind, uint32_t index) = 0;
};

/// Where what happens to requests is counted and told.
struct HttpTelemetry {
  RelayCounters* listeners;  ///< by id
  HttpCounters* http;        ///< likewise
  CounterTable<ExchangeCounters>* routes;
  CounterTable<ExchangeCounters>* endpoints;
  ExchangeSink* log;  ///< nullptr: nobody is told
};

/// Relays requests: takes them from clients' connections, finds their routes, sends them on over kept connections to
/// endpoints, and brings the responses back. Bodies move as they lie, from one connection's receive queue to the
/// other's send queue, when there is room.
///
/// A request goes forward through take(), read_request(), begin(), dispatch(), send_request() and move_request(), its
/// response through read_response(), answer(), move_response() and finish().
class HttpRelay {
 public:
  /// @param capacity clients' connections, and connections to endpoints, at most
  HttpRelay(tls::Streams& streams, Buffers& buffers, HttpPolicy& policy, RelayLimits& limits, uint32_t capacity,
            const HttpTelemetry& telemetry);
  ~HttpRelay();
  HttpRelay(const HttpRelay&) = delete;
  HttpRelay& operator=(const HttpRelay&) = delete;

  /// @param settings nullptr: the listener's connections carry no requests
  void configure(uint16_t listener, const RelaySettings& relay, const HttpSettings* settings);
  bool serves(uint16_t listener) const { return listener < listeners_.size() && listeners_[listener].serves; }
  /// Requests that come from now on are routed by this table.
  void adopt(std::shared_ptr<const route::Table> routes) { routes_.adopt(std::move(routes)); }

  void set_time(Nanoseconds now);
  /// A connection that a listener has taken, and nobody owns yet.
  void take(tcp::Connection& c);
  /// Something has happened to a connection of the relay's: what Stack::take_ready() returned.
  void happen(tcp::Connection& c);
  /// Does what is due.
  void advance();
  Nanoseconds next_deadline() const {
    const bool drains = drain_next_ != 0;
    return drains ? now_ : std::min(wheel_.next(), pools_.next_deadline());
  }

  /// Clients' connections that there are now.
  uint32_t active() const { return sessions_.count(); }
  /// The turn that the next request takes among its rule's backends.
  uint32_t turn() const { return turn_; }
  uint32_t index_limit() const { return sessions_.limit(); }
  /// A client's connection as it is shown, but for what the transmitter knows of it. False: there is none there.
  bool record(uint32_t index, FlowRecord& to) const;
  /// Of whom record() says that there is one.
  const RelayClient& client(uint32_t index) const { return sessions_[index].client; }
  /// What the transmitter keeps of the client's connection.
  const uint64_t* client_path(uint32_t index) const { return sessions_[index].connection->path; }
  /// From now on responses end their connections; those without an exchange end soon, a slice of them in each call.
  void drain_some();
  /// Resets clients' connections from an index on, a slice of them. Returns where the next slice begins; 0: all.
  uint32_t reset_from(uint32_t index);
  /// Ends a client's connection that policies deny, or its exchange, if they deny that. False: there is none at this
  /// index, or they do not.
  bool end_if_denied(uint32_t index);

 private:
  using Link = upstream::Link;
  /// What becomes of a connection to an endpoint behind an exchange.
  enum class After : uint8_t { keep, close, reset };
  struct ListenerState {
    bool serves = false;
    RelaySettings relay;
    HttpSettings http;
  };
  struct Nodes {
    HttpSession* sessions;
    tcp::WheelNode& operator()(uint32_t index) const { return sessions[index].timer; }
  };

  // http_relay.cc: clients' connections, and time.
  const ListenerState& settings_of(const HttpSession& s) const { return listeners_[s.client.listener]; }
  RelayCounters& counters_of(const HttpSession& s) const { return telemetry_.listeners[s.client.listener]; }
  HttpCounters& http_counters_of(const HttpSession& s) const { return telemetry_.http[s.client.listener]; }
  HttpSession& session_of(const Exchange& e) const { return sessions_[e.session]; }
  Link* link_of(const Exchange& e) { return e.link != Exchange::kNone ? &pools_.link(e.link) : nullptr; }
  void count_up(Exchange& e, uint64_t bytes) {
    HttpSession& s = session_of(e);
    e.bytes[0] += bytes;
    s.bytes[0] += bytes;
    s.active_at = now_ms();
    counters_of(s).bytes_up.add(bytes);
  }
  void count_down(Exchange& e, uint64_t bytes) {
    HttpSession& s = session_of(e);
    e.bytes[1] += bytes;
    s.bytes[1] += bytes;
    s.active_at = now_ms();
    counters_of(s).bytes_down.add(bytes);
  }
  uint32_t now_ms() const { return static_cast<uint32_t>(now_ / tcp::kMillisecond); }
  bool take_share(const tcp::Connection& c);
  Reason judge(const RelayClient& client, const tcp::Connection& c) const {
    return policy_.judge(client, client.peer, c.tuple.source, c.tuple.source_port);
  }
  void client_happened(HttpSession& s, uint8_t events);
  void read_proxy_header(HttpSession& s);
  void begin_session(HttpSession& s);
  void secured(HttpSession& s);
  void client_ended(HttpSession& s);
  void linger(HttpSession& s);
  void end_session(HttpSession& s, bool reset);
  Nanoseconds deadline_of(const HttpSession& s) const;
  Nanoseconds exchange_deadline(const HttpSession& s) const;
  void arm(HttpSession& s);
  void fire(HttpSession& s);
  bool reads_on(HttpSession& s);
  bool is_taken_in(HttpSession& s, Exchange& e);
  void fire_idle(HttpSession& s);
  void fire_exchange(HttpSession& s, Exchange& e);
  bool is_scarce() const;
  void shed_some();
  bool is_stuck(HttpSession& s) const;

  // http_requests.cc: from the client.
  void read_requests(HttpSession& s);
  bool read_request(HttpSession& s);
  void wait_for_head(HttpSession& s);
  void refuse(HttpSession& s, http::ParseError error);
  void count_refusal(const HttpSession& s, http::ParseError error) {
    http_counters_of(s).refused[static_cast<size_t>(error)].add(1);
  }
  void refuse_late(HttpSession& s);
  void start(HttpSession& s, Exchange& e);
  void begin(HttpSession& s);
  bool take_path(const HttpSession& s);
  const http::RequestHead& head_of(const Exchange& e);
  bool find_rule(const HttpSession& s, Exchange& e);
  bool choose_backend(Exchange& e);
  void move_request(Exchange& e);
  void refuse_body(Exchange& e, http::ParseError error);
  void answer_directly(Exchange& e, const DirectResponse& response);
  void redirect(Exchange& e);

  // http_dispatch.cc: to an endpoint.
  void dispatch(Exchange& e);
  Reason judge(const Exchange& e, const wire::Address& endpoint, uint16_t port) const {
    const RelayClient& client = session_of(e).client;
    return policy_.judge(client, client.ends.source, endpoint, port);
  }
  const Endpoint* choose_endpoint(Exchange& e, const Service& service);
  const Endpoint* balanced_endpoint(const Exchange& e, const Service& service);
  Link* take_idle_link(const Exchange& e);
  void wait_for_link(Exchange& e, const Service& service, const Endpoint& endpoint);
  bool open_link(const Exchange& e, const Service& service, const Endpoint& endpoint);
  void give_link(Exchange& e, Link& link);
  void send_request(Exchange& e, Link& link);
  void let_link_go(Exchange& e, After after);
  void free_link(Link& link);
  void close_link(Link& link, upstream::Pools::How how);
  void link_failed(Link& link);
  Exchange* next_waiting(uint32_t pool);
  void count_failure(const RelayTarget& target, upstream::Pool& pool);
  static bool may_replay(const Exchange& e) { return !e.body_begun; }
  static bool nothing_was_taken(const Exchange& e, const Link& link);
  static bool is_unanswered(const Exchange& e, const Link& link);
  static bool is_harmless_again(const Exchange& e, const Link* link);
  bool try_again(Exchange& e, bool allowed);

  // http_responses.cc: from the endpoint.
  static bool is_silent(const Link& link);
  void link_happened(Link& link, uint8_t events);
  void read_response(Exchange& e, Link& link);
  bool pass_interim(Exchange& e, Link& link);
  bool answer(Exchange& e, Link& link);
  AffinityCookie cookie_of(const Exchange& e, const Link& link) const;
  void drop_head(Link& link, size_t size);
  void move_response(Exchange& e);
  void endpoint_is_silent(Exchange& e, Link& link);
  void move_tunnel(Exchange& e, Link& link);
  uint32_t pass(tcp::Connection& from, tcp::Connection& to);
  void fail(Exchange& e, uint16_t status, Outcome why);
  void write_answer(Exchange& e, uint16_t status, std::string_view fields, std::string_view body);
  void finish(Exchange& e);
  void cut(Exchange& e, Outcome why);
  void end_exchange(Exchange& e);

  // http_account.cc: what is counted and told.
  const HttpRoute& route_of(const Exchange& e) const;
  ExchangeCounters& route_counters_of(const Exchange& e) const;
  ExchangeCounters& endpoint_counters_of(const Exchange& e) const;
  void count_begin(const Exchange& e);
  void count_retry(const Exchange& e);
  void begin_try(Exchange& e);
  void end_try(Exchange& e);
  void count_whole(const Exchange& e);
  void count_end(const Exchange& e);
  void tell_end(const Exchange& e);
  void tell_texts(const Exchange& e, ExchangeRecord& to);

  tls::Streams& streams_;
  Buffers& buffers_;
  HttpPolicy& policy_;
  RelayLimits& limits_;
  const HttpTelemetry telemetry_;
  Slab<HttpSession> sessions_;
  Slab<Exchange> exchanges_;
  upstream::Pools pools_;
  tcp::TimerWheel<Nodes> wheel_;
  std::vector<ListenerState> listeners_;
  RouteHolds routes_;
  http::HeadSource source_;
  std::unique_ptr<http::RequestHead> request_ = std::make_unique<http::RequestHead>();     // what was parsed last
  std::unique_ptr<http::ResponseHead> response_ = std::make_unique<http::ResponseHead>();  // likewise
  uint32_t parsed_ = Exchange::kNone;  // the exchange that `request_` is of
  std::unique_ptr<char[]> path_copy_ = std::make_unique<char[]>(http::HeadSource::kMost);
  std::string_view path_;  // of `request_`, normalized
  upstream::RetryBudget retries_;
  uint32_t turn_ = 0;
  bool draining_ = false;
  uint32_t drain_next_ = 0;
  uint32_t shed_next_ = 0;
  Nanoseconds now_ = 0;
};

}  // namespace flatproxy
