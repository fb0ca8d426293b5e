#include "addon/js_stats.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "addon/js_error.h"

namespace flatproxy {
namespace {

uint32_t id_below(const Napi::Uint32Array& ids, size_t index, uint32_t bound) {
  const uint32_t id = ids[index];
  if (id >= bound) throw js_error(ids.Env(), "ERR_FLATPROXY_ARGUMENT", "there is no such id");
  return id;
}

/// Writes one number after another.
class Numbers {
 public:
  void add(uint64_t n) { numbers_.push_back(static_cast<double>(n)); }
  /// The sum of what `read` gives for each lane's counters.
  template <typename Read>
  void add_sum(Engine& engine, Read&& read) {
    uint64_t sum = 0;
    for (unsigned lane = 0; lane < engine.lanes(); ++lane) sum += read(engine.counters(lane));
    add(sum);
  }
  Napi::Float64Array array(Napi::Env env) const {
    Napi::Float64Array array = Napi::Float64Array::New(env, numbers_.size());
    std::copy(numbers_.begin(), numbers_.end(), array.Data());
    return array;
  }

 private:
  std::vector<double> numbers_;
};

void add_lanes(Numbers& to, Engine& engine) {
  for (unsigned lane = 0; lane < engine.lanes(); ++lane) {
    const LaneCounters& counters = engine.counters(lane);
    to.add(counters.busy_time.read());
    to.add(counters.flows.read());
    to.add(counters.flow_capacity.read());
    to.add(counters.buffers_in_use.read());
  }
}

void add_service(Numbers& to, Engine& engine, uint32_t id) {
  to.add_sum(engine, [id](const LaneCounters& lane) { return lane.services[id].carried.packets.read(); });
  to.add_sum(engine, [id](const LaneCounters& lane) { return lane.services[id].carried.bytes.read(); });
  to.add_sum(engine, [id](const LaneCounters& lane) { return lane.services[id].new_flows.read(); });
  to.add_sum(engine, [id](const LaneCounters& lane) { return lane.services[id].active_flows.read(); });
}

constexpr size_t kFirstFailure = static_cast<size_t>(tls::Failure::none) + 1;
constexpr size_t kFirstRefusal = static_cast<size_t>(http::ParseError::incomplete) + 1;

template <typename Counters>
struct Named {
  const char* name;
  Counter Counters::*counter;
};

constexpr Named<RelayCounters> kListenerCounters[] = {
    {"newConnections", &RelayCounters::taken},
    {"activeConnections", &RelayCounters::active},
    {"relayed", &RelayCounters::relayed},
    {"overLimit", &RelayCounters::over_limit},
    {"noEndpoint", &RelayCounters::no_endpoint},
    {"policyDenied", &RelayCounters::denied},
    {"connectFailures", &RelayCounters::connect_failed},
    {"badProxyHeaders", &RelayCounters::bad_proxy_header},
    {"idleTimeouts", &RelayCounters::idle},
    {"resets", &RelayCounters::resets},
    {"bytesUp", &RelayCounters::bytes_up},
    {"bytesDown", &RelayCounters::bytes_down},
};

constexpr Named<PolicyCounters> kPolicyCounters[] = {
    {"flows", &PolicyCounters::flows},
    {"untold", &PolicyCounters::untold},
    {"limitedPackets", &PolicyCounters::limited_packets},
    {"limitedBytes", &PolicyCounters::limited_bytes},
    {"mirroredPackets", &PolicyCounters::mirrored_packets},
    {"mirrorLost", &PolicyCounters::mirror_lost},
};

/// Behind the number of connections.
constexpr Named<tcp::Counters> kTcpCounters[] = {
    {"opened", &tcp::Counters::opened},
    {"ended", &tcp::Counters::ended},
    {"retransmitted", &tcp::Counters::repeated},
    {"timeouts", &tcp::Counters::timeouts},
    {"tailProbes", &tcp::Counters::tail_probes},
    {"duplicates", &tcp::Counters::duplicates},
    {"outOfOrder", &tcp::Counters::out_of_order},
    {"outOfWindow", &tcp::Counters::out_of_window},
    {"oldTimestamps", &tcp::Counters::old_timestamps},
    {"badAcks", &tcp::Counters::bad_acks},
    {"challenges", &tcp::Counters::challenges},
    {"challengesHeld", &tcp::Counters::challenges_held},
    {"cookiesSent", &tcp::Counters::cookies_sent},
    {"cookiesTaken", &tcp::Counters::cookies_taken},
    {"resetsReceived", &tcp::Counters::resets_received},
    {"buffersMissing", &tcp::Counters::buffers_missing},
    {"memoryRefused", &tcp::Counters::memory_refused},
};

void add_tcp(Numbers& to, Engine& engine) {
  to.add_sum(engine, [](const LaneCounters& lane) { return lane.connections.read(); });
  for (const auto& [name, counter] : kTcpCounters) {
    uint64_t sum = 0;
    for (unsigned lane = 0; lane < engine.lanes(); ++lane) sum += (engine.tcp_counters(lane).*counter).read();
    to.add(sum);
  }
}

void add_roce(Numbers& to, Engine& engine) {
  const auto add = [&](auto read) {
    to.add_sum(engine, [&](const LaneCounters& lane) { return read(lane.roce).read(); });
  };
  add([](const RoceCounters& roce) -> const Counter& { return roce.flows; });
  add([](const RoceCounters& roce) -> const Counter& { return roce.evicted; });
  add([](const RoceCounters& roce) -> const Counter& { return roce.retransmitted; });
  add([](const RoceCounters& roce) -> const Counter& { return roce.naks; });
  for (size_t i = 0; i < wire::kRoceClasses; ++i) {
    add([i](const RoceCounters& roce) -> const Counter& { return roce.classes[i].packets; });
    add([i](const RoceCounters& roce) -> const Counter& { return roce.classes[i].bytes; });
  }
}

void add_listener(Numbers& to, Engine& engine, uint32_t id) {
  for (const auto& [name, counter] : kListenerCounters) {
    to.add_sum(engine,
               [id, counter = counter](const LaneCounters& lane) { return (lane.listeners[id].*counter).read(); });
  }
}

void add_tls(Numbers& to, Engine& engine, uint32_t id) {
  const auto add = [&](auto read) {
    to.add_sum(engine, [&](const LaneCounters& lane) { return read(lane.tls[id]).read(); });
  };
  add([](const TlsCounters& tls) -> const Counter& { return tls.handshakes; });
  add([](const TlsCounters& tls) -> const Counter& { return tls.resumed; });
  for (size_t i = kFirstFailure; i < tls::kFailures; ++i)
    add([i](const TlsCounters& tls) -> const Counter& { return tls.failures[i]; });
}

void add_http(Numbers& to, Engine& engine, uint32_t id) {
  const auto add = [&](auto read) {
    to.add_sum(engine, [&](const LaneCounters& lane) { return read(lane.http[id]).read(); });
  };
  add([](const HttpCounters& http) -> const Counter& { return http.requests; });
  add([](const HttpCounters& http) -> const Counter& { return http.active; });
  add([](const HttpCounters& http) -> const Counter& { return http.retries; });
  for (size_t i = 0; i < 5; ++i) add([i](const HttpCounters& http) -> const Counter& { return http.statuses[i]; });
  for (size_t i = 0; i < http::kOutcomes; ++i)
    add([i](const HttpCounters& http) -> const Counter& { return http.outcomes[i]; });
  for (size_t i = kFirstRefusal; i < http::kParseErrors; ++i)
    add([i](const HttpCounters& http) -> const Counter& { return http.refused[i]; });
}

using Found = std::vector<const ExchangeCounters*>;

/// The counters of those lanes that have counted something there.
template <typename Find>
Found found_of(Engine& engine, Find&& find) {
  Found found;
  for (unsigned lane = 0; lane < engine.lanes(); ++lane) {
    if (const ExchangeCounters* counters = find(engine.counters(lane))) found.push_back(counters);
  }
  return found;
}

/// The buckets that hold anything, those of all lanes in one.
void add_latency(Numbers& to, const Found& lanes) {
  uint64_t total = 0;
  std::vector<std::pair<uint32_t, uint64_t>> buckets;
  for (const ExchangeCounters* lane : lanes) total += lane->latency.sum();
  for (uint32_t bucket = 0; bucket < histogram::kBuckets; ++bucket) {
    uint64_t count = 0;
    for (const ExchangeCounters* lane : lanes) count += lane->latency.read(bucket);
    if (count > 0) buckets.emplace_back(bucket, count);
  }
  to.add(total);
  to.add(buckets.size());
  for (const auto& [bucket, count] : buckets) {
    to.add(histogram::end_of(bucket));
    to.add(count);
  }
}

void add_exchanges(Numbers& to, const Found& lanes) {
  const auto add = [&](auto read) {
    uint64_t sum = 0;
    for (const ExchangeCounters* lane : lanes) sum += read(*lane).read();
    to.add(sum);
    return sum;
  };
  if (add([](const ExchangeCounters& lane) -> const Counter& { return lane.requests; }) == 0) return;
  add([](const ExchangeCounters& lane) -> const Counter& { return lane.active; });
  add([](const ExchangeCounters& lane) -> const Counter& { return lane.retries; });
  add([](const ExchangeCounters& lane) -> const Counter& { return lane.failures; });
  add([](const ExchangeCounters& lane) -> const Counter& { return lane.bytes_up; });
  add([](const ExchangeCounters& lane) -> const Counter& { return lane.bytes_down; });
  for (size_t i = 0; i < 5; ++i) {
    add([i](const ExchangeCounters& lane) -> const Counter& { return lane.statuses[i]; });
  }
  add_latency(to, lanes);
}

void add_policy(Numbers& to, Engine& engine, uint32_t id) {
  for (const auto& [name, counter] : kPolicyCounters) {
    to.add_sum(engine, [id, counter = counter](const LaneCounters& lane) {
      const PolicyCounters* found = lane.policies.find(id);
      return found != nullptr ? (found->*counter).read() : 0;
    });
  }
}

template <typename Value>
Napi::Array names_of(Napi::Env env, size_t first, size_t end) {
  Napi::Array names = Napi::Array::New(env);
  for (size_t i = first; i < end; ++i) names.Set(names.Length(), http::name_of(static_cast<Value>(i)));
  return names;
}

}  // namespace

Napi::Array tls_failure_names(Napi::Env env) {
  Napi::Array names = Napi::Array::New(env);
  for (size_t i = kFirstFailure; i < tls::kFailures; ++i)
    names.Set(names.Length(), tls::name(static_cast<tls::Failure>(i)));
  return names;
}

Napi::Array http_outcome_names(Napi::Env env) { return names_of<http::Outcome>(env, 0, http::kOutcomes); }
Napi::Array http_refusal_names(Napi::Env env) {
  return names_of<http::ParseError>(env, kFirstRefusal, http::kParseErrors);
}

Napi::Array tcp_counter_names(Napi::Env env) {
  Napi::Array names = Napi::Array::New(env);
  names.Set(names.Length(), "connections");
  for (const auto& named : kTcpCounters) names.Set(names.Length(), named.name);
  return names;
}

Napi::Array listener_counter_names(Napi::Env env) {
  Napi::Array names = Napi::Array::New(env);
  for (const auto& named : kListenerCounters) names.Set(names.Length(), named.name);
  return names;
}

Napi::Array policy_counter_names(Napi::Env env) {
  Napi::Array names = Napi::Array::New(env);
  for (const auto& named : kPolicyCounters) names.Set(names.Length(), named.name);
  return names;
}

Napi::Float64Array stats_to_js(Napi::Env env, Session& session, const CountedIds& ids) {
  const auto& [ports, services, listeners, routes, endpoints, policies] = ids;
  Engine& engine = session.engine();
  Numbers to;
  uint64_t lost = 0;
  for (unsigned lane = 0; lane < engine.lanes(); ++lane) lost += engine.events(lane).lost();
  to.add(lost);
  add_lanes(to, engine);
  for (size_t i = 0; i < kReasons; ++i) {
    to.add_sum(engine, [i](const LaneCounters& lane) { return lane.reasons[i].packets.read(); });
    to.add_sum(engine, [i](const LaneCounters& lane) { return lane.reasons[i].bytes.read(); });
  }
  add_tcp(to, engine);
  add_roce(to, engine);
  const LogWriter::Totals logged = session.log_pump().writer().totals();
  to.add(logged.written);
  to.add(logged.lost);
  for (size_t i = 0; i < ports.ElementLength(); ++i) {
    const uint32_t id = id_below(ports, i, kMaxPorts);
    to.add_sum(engine, [id](const LaneCounters& lane) { return lane.ports[id].received.packets.read(); });
    to.add_sum(engine, [id](const LaneCounters& lane) { return lane.ports[id].sent.packets.read(); });
    to.add_sum(engine, [id](const LaneCounters& lane) { return lane.ports[id].spoofed.read(); });
  }
  for (size_t i = 0; i < services.ElementLength(); ++i) {
    add_service(to, engine, id_below(services, i, kMaxServices));
  }
  for (size_t i = 0; i < listeners.ElementLength(); ++i) {
    add_listener(to, engine, id_below(listeners, i, kMaxListeners));
    add_tls(to, engine, listeners[i]);
    add_http(to, engine, listeners[i]);
  }
  for (size_t i = 0; i < routes.ElementLength(); ++i) {
    const uint32_t id = id_below(routes, i, kMaxRoutes);
    add_exchanges(to, found_of(engine, [id](const LaneCounters& lane) { return lane.routes.find(id); }));
  }
  for (size_t i = 0; i < endpoints.ElementLength(); ++i) {
    const uint32_t id = id_below(endpoints, i, kMaxEndpoints);
    add_exchanges(to, found_of(engine, [id](const LaneCounters& lane) { return lane.endpoints.find(id); }));
  }
  for (size_t i = 0; i < policies.ElementLength(); ++i) add_policy(to, engine, id_below(policies, i, kMaxPolicies));
  return to.array(env);
}

}  // namespace flatproxy
