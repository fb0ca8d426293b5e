#include "support/reference_routes.h"

#include <algorithm>
#include <cctype>
#include <functional>
#include <map>
#include <optional>
#include <regex>
#include <sstream>
#include <tuple>

namespace flatproxy::test {
namespace {

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(c));
  return text;
}

std::string host_of(std::string_view authority) {
  std::string host = lower(std::string(authority.substr(0, authority.find(':'))));
  if (!host.empty() && host.back() == '.') host.pop_back();
  return host;
}

bool has_host(const std::string& hostname, const std::string& host) {
  if (hostname.empty() || hostname == host) return true;
  if (hostname[0] != '*') return false;
  const std::string suffix = hostname.substr(1);
  return host.size() > suffix.size() && host.ends_with(suffix);
}

/// How specific a hostname is: (an exact one, its length).
std::pair<bool, size_t> weight_of(const std::string& hostname) {
  return {!hostname.empty() && hostname[0] != '*', hostname.size()};
}

bool full_match(const std::string& pattern, const std::string& text) {
  static std::map<std::string, std::regex> compiled;
  return std::regex_match(text, compiled.try_emplace(pattern, pattern).first->second);
}

std::string without_slash(std::string path) {
  if (!path.empty() && path.back() == '/') path.pop_back();
  return path;
}

bool has_path(const HttpMatch& match, const std::string& path) {
  if (match.path_kind == HttpMatch::Path::exact) return match.path == path;
  if (match.path_kind == HttpMatch::Path::regex) return full_match(match.path, path);
  return (path + "/").starts_with(without_slash(match.path) + "/") || match.path == "/";
}

std::optional<std::string> header(const http::RequestHead& head, const std::string& name) {
  std::optional<std::string> all;
  for (const http::Field& field : head.fields) {
    if (lower(std::string(field.name)) != name) continue;
    all = (all ? *all + ", " : "") + std::string(field.value);
  }
  return all;
}

std::string decoded(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && std::isxdigit(text[i + 1]) && std::isxdigit(text[i + 2])) {
      out += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

std::optional<std::string> parameter(const std::string& query, const std::string& name) {
  std::istringstream pairs(query);
  for (std::string pair; std::getline(pairs, pair, '&');) {
    const size_t equals = pair.find('=');
    if (decoded(pair.substr(0, equals)) != name) continue;
    return equals == pair.npos ? "" : decoded(pair.substr(equals + 1));
  }
  return std::nullopt;
}

bool has_value(const ValueMatch& wanted, const std::optional<std::string>& value) {
  return value && (wanted.regex ? full_match(wanted.value, *value) : *value == wanted.value);
}

bool meets(const HttpMatch& match, const route::Request& request) {
  if (!has_path(match, std::string(request.path))) return false;
  if (!match.method.empty() && match.method != request.head.method_name) return false;
  for (const ValueMatch& wanted : match.headers) {
    if (!has_value(wanted, header(request.head, wanted.name))) return false;
  }
  for (const ValueMatch& wanted : match.query) {
    if (!has_value(wanted, parameter(std::string(request.query), wanted.name))) return false;
  }
  return true;
}

/// What is met, and what decides between it and others: the larger one goes first.
struct Met {
  const HttpRoute::Rule* rule;
  const HttpMatch* match;
  std::pair<bool, size_t> hostname;

  auto weight() const {
    const auto kind = match->path_kind;
    const int by_kind = kind == HttpMatch::Path::exact ? 2 : kind == HttpMatch::Path::regex ? 1 : 0;
    const size_t length = kind == HttpMatch::Path::prefix ? without_slash(match->path).size() : match->path.size();
    return std::tuple(hostname, by_kind, length, !match->method.empty(), match->headers.size(), match->query.size());
  }
};

}  // namespace

route::Found reference_find(const std::vector<HttpRoute>& routes, uint32_t listener, const route::Request& request) {
  const std::string host = host_of(request.host);
  std::optional<std::string> chosen;
  for (const HttpRoute& route : routes) {
    for (const auto& at : route.listeners) {
      if (at.listener != listener || !has_host(at.hostname, host)) continue;
      if (!chosen || weight_of(at.hostname) > weight_of(*chosen)) chosen = at.hostname;
    }
  }
  if (!chosen) return {};
  std::vector<Met> met;
  for (const HttpRoute& route : routes) {
    if (std::ranges::find(route.listeners, HttpRoute::Attachment{listener, *chosen}) == route.listeners.end()) continue;
    std::vector<std::string> hostnames = route.hostnames;
    if (hostnames.empty()) hostnames.push_back("");
    for (const std::string& hostname : hostnames) {
      if (!has_host(hostname, host)) continue;
      for (const auto& rule : route.rules) {
        for (const HttpMatch& match : rule.matches) {
          if (meets(match, request)) met.push_back({&rule, &match, weight_of(hostname)});
        }
      }
    }
  }
  std::ranges::stable_sort(met, std::greater(), &Met::weight);
  if (met.empty()) return {};
  const HttpMatch& first = *met.front().match;
  const bool prefix = first.path_kind == HttpMatch::Path::prefix;
  return {&met.front().rule->rule, prefix ? static_cast<uint32_t>(without_slash(first.path).size()) : 0};
}

http::RequestHead TestRequest::head() const {
  http::RequestHead head;
  head.method_name = method;
  for (const auto& [name, value] : fields) head.fields.add(name, value, http::FieldId::other);
  return head;
}

}  // namespace flatproxy::test
