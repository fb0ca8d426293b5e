// What comes of a connection that a listener takes: its request's rule, its backend and endpoint, and whether the
// client may have that one.
#include <memory>
#include <string>
#include <utility>

#include "http/parse_error.h"
#include "http/request_parse.h"
#include "lane/explain_steps.h"
#include "lane/explainer.h"

namespace flatproxy {
namespace {

/// "path prefix /cart, method GET, header x-user: 7"
std::string match_text(const HttpMatch& match) {
  const char* const kinds[] = {"path ", "path prefix ", "path expression "};
  std::string text = kinds[static_cast<size_t>(match.path_kind)];
  text.append(match.path);
  if (!match.method.empty()) text.append(", method ").append(match.method);
  for (const auto& [name, values] : {std::pair("header", &match.headers), std::pair("query", &match.query)}) {
    for (const ValueMatch& value : *values)
      text.append(", ")
          .append(name)
          .append(" ")
          .append(value.name)
          .append(value.regex ? " ~ " : ": ")
          .append(value.value);
  }
  return text;
}

/// Whether a match is met by itself, on the path that its rule was found by.
bool is_met(const HttpRoute& route, const HttpMatch& match, uint32_t listener, const http::RequestHead& head,
            std::string_view path, uint32_t prefix_length) {
  HttpRoute alone;
  alone.listeners = route.listeners;
  alone.hostnames = route.hostnames;
  alone.rules.push_back({{match}, {}});
  std::vector<HttpRoute> routes;
  routes.push_back(std::move(alone));
  const route::Found found = find_rule(route::Table(std::move(routes)), listener, head, path);
  return found.rule != nullptr && found.prefix_length == prefix_length;
}

void add_changes(std::string& text, const HeaderChanges& changes, const char* of) {
  const auto add = [&](const char* how, const std::string& name) {
    text.append(text.empty() ? "" : ", ").append(how).append(" ").append(of).append(" header ").append(name);
  };
  for (const auto& [name, value] : changes.set) add("sets", name);
  for (const auto& [name, value] : changes.add) add("adds", name);
  for (const std::string& name : changes.remove) add("removes", name);
}

/// What a rule and its backend change; empty: nothing.
std::string changes_text(const HttpRule& rule, const HttpBackend& backend) {
  std::string text;
  for (const HeaderChanges* changes : {&rule.request, &backend.request}) add_changes(text, *changes, "request");
  for (const HeaderChanges* changes : {&rule.response, &backend.response}) add_changes(text, *changes, "response");
  if (!rule.rewrite) return text;
  if (rule.rewrite->hostname)
    text.append(text.empty() ? "" : ", ").append("host becomes ").append(*rule.rewrite->hostname);
  if (rule.rewrite->path) {
    text.append(text.empty() ? "" : ", ").append(rule.rewrite->path->prefix_only ? "path prefix" : "path");
    text.append(" becomes ").append(rule.rewrite->path->value);
  }
  return text;
}

wire::ProxyHeader ends_of(const Tuple& tuple) {
  wire::ProxyHeader ends;
  ends.source = tuple.source;
  ends.destination = tuple.destination;
  ends.source_port = tuple.source_port;
  ends.destination_port = tuple.destination_port;
  return ends;
}

}  // namespace

void Explainer::relay(const Listener& listener, const LaneView& lane) {
  if (listener.relay.expects_proxy_header) tell(Step::speaks_for);
  if (!listener.http) {
    relay_connection(listener, lane);
  } else if (packet_.request != nullptr) {
    relay_request(listener, lane);
  }
}

template <typename Backend>
const Backend* Explainer::tell_backend(const std::vector<Backend>& backends, uint32_t turn) {
  const Backend* chosen = backend_in_turn(backends, turn);
  for (const Backend& backend : backends) {
    if (&backend != chosen) tell(Step::backend_other, backend.service, std::to_string(backend.weight));
  }
  if (chosen == nullptr) {
    tell(Step::no_backend);
  } else {
    tell(Step::backend, chosen->service, std::to_string(chosen->weight));
  }
  return chosen;
}

void Explainer::relay_connection(const Listener& listener, const LaneView& lane) {
  const Backend* backend = backend_in_turn(listener.backends, lane.connection_turn);
  if (backend != nullptr && backend->service == Backend::kOriginal) {
    tell(Step::backend_original, Explanation::kNone, end_text(tuple_.destination, tuple_.destination_port));
    if (!allows(policy_key(tuple_, tuple_.destination, tuple_.destination_port, packet_.port))) tell(Step::reset);
    return;
  }
  if (tell_backend(listener.backends, lane.connection_turn) == nullptr) {
    end(Reason::no_endpoint, Step::reset);
    return;
  }
  const Service& service = *s_.services[backend->service];
  const uint64_t hash = connection_hash(service, ends_of(tuple_));
  const uint32_t index = endpoint_of_either_family(
      service, tuple_.source, [&](const Picker& picker) { return picker.peek(hash, lane.balance); });
  lead_to_endpoint(service, index != Picker::kNone ? &service.endpoints[index] : nullptr, Step::reset);
}

void Explainer::relay_request(const Listener& listener, const LaneView& lane) {
  const HttpSettings& settings = listener.http_settings;
  const auto head = std::make_unique<http::RequestHead>();
  const http::ParseError error = http::parse_request(*packet_.request, limits_of(settings), *head);
  if (error != http::ParseError::none)
    return tell(Step::request_malformed, http::status_of(error), http::name_of(error));
  std::string room(packet_.request->size(), '\0');
  std::string_view path;
  if (!take_path(settings, *head, room.data(), path)) return tell(Step::request_malformed, 400, "bad_target");
  const route::Found found = find_rule(*s_.http_routes, listener.id, *head, path);
  if (found.rule == nullptr) return tell(Step::request_unrouted, 404);
  const HttpRule& rule = *found.rule;
  tell_rule(*s_.http_routes, listener, *head, path, found);
  if (rule.redirect)
    return tell(Step::request_redirected, rule.redirect->status,
                redirect_target(*rule.redirect, *head, path, found.prefix_length,
                                {tuple_.destination_port, settings.over_tls}));
  if (rule.direct) return tell(Step::request_answered, rule.direct->status);
  const HttpBackend* backend = tell_backend(rule.backends, rule.backends.size() == 1 ? 0 : lane.request_turn);
  if (backend == nullptr) return;
  if (std::string changes = changes_text(rule, *backend); !changes.empty())
    tell(Step::request_changed, Explanation::kNone, std::move(changes));
  const Service& service = *s_.services[backend->service];
  const Endpoint* named = named_endpoint(service, head->fields);
  const Endpoint* endpoint = endpoint_for(
      named, false, [&](uint32_t id) { return lane.balance.usable(id); },
      [&]() -> const Endpoint* {
        const uint64_t hash = request_hash(service, head->fields, ends_of(tuple_));
        const uint32_t index = endpoint_of_either_family(
            service, tuple_.source, [&](const Picker& picker) { return picker.peek(hash, lane.balance); });
        return index != Picker::kNone ? &service.endpoints[index] : nullptr;
      });
  if (endpoint != nullptr && endpoint == named) tell(Step::endpoint_named);
  lead_to_endpoint(service, endpoint, Step::answered_403);
}

/// By which of its matches a rule was found: one that is met alone.
void Explainer::tell_rule(const route::Table& routes, const Listener& listener, const http::RequestHead& head,
                          std::string_view path, const route::Found& found) {
  const HttpRoute& route = routes.routes()[found.rule->route];
  for (uint32_t index = 0; index < route.rules.size(); ++index) {
    if (&route.rules[index].rule != found.rule) continue;
    tell(Step::request_route, index, route.name);
    for (const HttpMatch& match : route.rules[index].matches) {
      if (!is_met(route, match, listener.id, head, path, found.prefix_length)) continue;
      e_.steps.back().via = match_text(match);
      return;
    }
  }
}

/// The second place at which policies judge. @param denied what the client gets then
void Explainer::lead_to_endpoint(const Service& service, const Endpoint* endpoint, Step denied) {
  e_.service = service.id;
  if (endpoint == nullptr) {
    end(Reason::no_endpoint, Step::no_endpoint);
    tell(denied == Step::reset ? Step::reset : Step::answered_503);
    return;
  }
  e_.endpoint = endpoint->id;
  tell(Step::endpoint, endpoint->id, end_text(endpoint->address, endpoint->port));
  if (!allows(policy_key(tuple_, endpoint->address, endpoint->port, packet_.port))) tell(denied);
}

}  // namespace flatproxy
