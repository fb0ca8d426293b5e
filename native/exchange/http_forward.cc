#include "exchange/http_forward.h"

#include <algorithm>
#include <array>

#include "config/affinity_table.h"
#include "http/chars.h"
#include "http/field_id.h"

namespace flatproxy {
namespace {

using http::Field;
using http::FieldId;
using http::Fields;
using http::FieldSet;
using http::HeadWriter;

constexpr std::string_view kLineEnd = "\r\n";
constexpr size_t kSides = 2;  // the rule's changes, then the backend's

using Changes = std::array<const HeaderChanges*, kSides>;

/// Whether a change has another field in place of this one, or none.
bool is_changed(const Field& field, const HeaderChanges& changes) {
  const auto names_it = [&](std::string_view name) { return http::equals_ignoring_case(field.name, name); };
  return std::any_of(changes.remove.begin(), changes.remove.end(), names_it) ||
         std::any_of(changes.set.begin(), changes.set.end(), [&](const auto& pair) { return names_it(pair.first); });
}

/// Whether a Connection field says that this one ends with the connection.
bool is_nominated(const Field& field, const Fields& fields) {
  for (const Field& connection : fields) {
    if (connection.id != FieldId::connection) continue;
    for (std::string_view list = connection.value; !list.empty();) {
      const std::string_view name = http::next_element(list);
      const auto same = [](char a, char b) { return http::lower(a) == http::lower(b); };
      if (std::equal(name.begin(), name.end(), field.name.begin(), field.name.end(), same)) return true;
    }
  }
  return false;
}

/// Copies the lines of the fields that stay: those side by side at once.
template <typename Stays>
void copy_fields(HeadWriter& out, const Fields& fields, std::string_view head, Stays&& stays) {
  const char* const end = head.data() + head.size() - kLineEnd.size();
  const char* run = nullptr;
  for (uint32_t i = 0; i < fields.count(); ++i) {
    const char* const line = fields[i].name.data();
    if (stays(fields[i])) {
      if (run == nullptr) run = line;
    } else if (run != nullptr) {
      out << std::string_view(run, static_cast<size_t>(line - run));
      run = nullptr;
    }
  }
  if (run != nullptr) out << std::string_view(run, static_cast<size_t>(end - run));
}

/// A status has three digits (RFC 9112 section 4).
void write_status_line(HeadWriter& out, const http::ResponseHead& head) {
  std::array<char, 13> line = {'H', 'T', 'T', 'P', '/', '1', '.', '1', ' ', 0, 0, 0, ' '};
  line[9] = static_cast<char>('0' + head.status / 100);
  line[10] = static_cast<char>('0' + head.status / 10 % 10);
  line[11] = static_cast<char>('0' + head.status % 10);
  out << std::string_view(line.data(), line.size()) << head.reason << kLineEnd;
}

void write_field(HeadWriter& out, std::string_view name, std::string_view value) {
  out << name << ": " << value << kLineEnd;
}

/// What a later change sets or removes, an earlier one has not set or added.
void write_changes(HeadWriter& out, const Changes& changes) {
  for (size_t side = 0; side < kSides; ++side) {
    const auto write = [&](const HeaderChanges::Pair& pair) {
      const Field field{pair.first, pair.second};
      if (side + 1 < kSides && is_changed(field, *changes[side + 1])) return;
      write_field(out, pair.first, pair.second);
    };
    std::for_each(changes[side]->set.begin(), changes[side]->set.end(), write);
    std::for_each(changes[side]->add.begin(), changes[side]->add.end(), write);
  }
}

/// Fields that are written anew whatever came: those about the connection, the host, the trace that begins here, and
/// what we tell of the client.
FieldSet ours_of(const RequestForward& forward) {
  FieldSet ours = http::kHopByHop;
  ours |= {FieldId::host};
  if (forward.trace != nullptr) ours |= {FieldId::traceparent, FieldId::tracestate};
  if (!forward.trusted) {
    ours |= {FieldId::forwarded, FieldId::x_forwarded_for, FieldId::x_forwarded_host, FieldId::x_forwarded_port,
             FieldId::x_forwarded_proto};
  } else if (forward.settings.forwarded != HttpSettings::Forwarded::none) {
    const bool standard = forward.settings.forwarded == HttpSettings::Forwarded::forwarded;
    ours |= {standard ? FieldId::forwarded : FieldId::x_forwarded_for};
  }
  return ours;
}

void write_target(HeadWriter& out, const http::RequestHead& head, const RequestForward& forward) {
  const auto& rewrite = forward.rule.rewrite;
  if (head.method == http::Method::connect) {
    out << head.target;
    return;
  }
  if (rewrite && rewrite->path && head.path != "*") {
    const ChangedPath path = ChangedPath::of(forward.path, forward.prefix_length, *rewrite->path);
    out << path.front << path.rest;
  } else {
    out << forward.path;
  }
  if (head.has_query) out << "?" << head.query;
}

void write_host(HeadWriter& out, const http::RequestHead& head, const RequestForward& forward) {
  const auto& rewrite = forward.rule.rewrite;
  out << "Host: ";
  if (rewrite && rewrite->hostname && head.method != http::Method::connect) {
    out << *rewrite->hostname;
  } else if (!head.authority.empty()) {
    out << head.authority;
  } else {
    // HTTP/1.0 without a Host field: what the client has connected to.
    const wire::Address& address = forward.client.ends.destination;
    const std::string text = address.to_string();
    address.is_v4() ? out << text : out << "[" << text << "]";
    out << ":" << uint64_t{forward.client.ends.destination_port};
  }
  out << kLineEnd;
}

/// The field's present values, joined, and one of ours behind them.
void begin_list(HeadWriter& out, std::string_view name, FieldId id, const http::RequestHead& head, bool trusted) {
  out << name << ": ";
  if (!trusted) return;
  for (const Field& field : head.fields) {
    if (field.id == id && !field.value.empty()) out << field.value << ", ";
  }
}

/// RFC 7239, or what was there before it.
void write_forwarded(HeadWriter& out, const http::RequestHead& head, const RequestForward& forward) {
  if (forward.settings.forwarded == HttpSettings::Forwarded::none) return;
  const wire::Address& client = forward.client.ends.source;
  const std::string address = client.to_string();
  if (forward.settings.forwarded == HttpSettings::Forwarded::forwarded) {
    begin_list(out, "Forwarded", FieldId::forwarded, head, forward.trusted);
    client.is_v4() ? out << "for=" << address : out << "for=\"[" << address << "]\"";
    if (!head.authority.empty()) out << ";host=\"" << head.authority << "\"";
    out << (forward.settings.over_tls ? ";proto=https" : ";proto=http") << kLineEnd;
    return;
  }
  begin_list(out, "X-Forwarded-For", FieldId::x_forwarded_for, head, forward.trusted);
  out << address << kLineEnd;
  const auto unless_there = [&](std::string_view name, FieldId id, std::string_view value) {
    if (!forward.trusted || !head.fields.has(id)) write_field(out, name, value);
  };
  if (!head.authority.empty()) unless_there("X-Forwarded-Host", FieldId::x_forwarded_host, head.authority);
  unless_there("X-Forwarded-Proto", FieldId::x_forwarded_proto, forward.settings.over_tls ? "https" : "http");
}

/// RFC 6265 section 4.1.
void write_cookie(HeadWriter& out, const AffinityCookie& cookie) {
  const AffinityText value = affinity_text(cookie.value);
  out << "Set-Cookie: " << cookie.name << "=" << std::string_view(value.data(), value.size()) << "; Path=/; HttpOnly";
  if (cookie.ttl != 0) out << "; Max-Age=" << uint64_t{cookie.ttl};
  out << kLineEnd;
}

/// Unless a change has another one.
void write_trace(HeadWriter& out, const http::TraceParent& trace, const Changes& changes) {
  const Field field{"traceparent", {}};
  if (is_changed(field, *changes[0]) || is_changed(field, *changes[1])) return;
  const http::TraceParent::Text text = trace.text();
  write_field(out, field.name, {text.data(), text.size()});
}

}  // namespace

ChangedPath ChangedPath::of(std::string_view path, uint32_t prefix_length, const PathChange& change) {
  std::string_view value = change.value;
  if (!change.prefix_only) return {value, {}};
  // HTTPPathModifier.replacePrefixMatch: a slash at the end of the replacement is not counted.
  while (!value.empty() && value.back() == '/') value.remove_suffix(1);
  std::string_view rest = path.substr(prefix_length);
  if (!rest.empty() && rest.front() != '/') rest = path.substr(prefix_length - 1);
  if (value.empty() && rest.empty()) return {"/", {}};
  return {value, rest};
}

void write_request(HeadWriter& out, const http::RequestHead& head, const RequestForward& forward) {
  const Changes changes{&forward.rule.request, &forward.backend.request};
  const bool changed = !changes[0]->empty() || !changes[1]->empty();
  out << head.method_name << " ";
  write_target(out, head, forward);
  out << " HTTP/1.1\r\n";
  write_host(out, head, forward);
  FieldSet ours = ours_of(forward);
  // RFC 9110 section 10.1.1: of HTTP/1.0 it is no expectation.
  if (head.version == http::Version::http10) ours |= {FieldId::expect};
  copy_fields(out, head.fields, head.bytes, [&](const Field& field) {
    if (ours.has(field.id)) return false;
    if (changed && (is_changed(field, *changes[0]) || is_changed(field, *changes[1]))) return false;
    return !head.connection.nominates || !is_nominated(field, head.fields);
  });
  if (head.body.kind == http::BodyKind::chunked) out << "Transfer-Encoding: chunked\r\n";
  if (head.asks_websocket) out << "Connection: upgrade\r\nUpgrade: websocket\r\n";
  write_forwarded(out, head, forward);
  if (forward.trace != nullptr) write_trace(out, *forward.trace, changes);
  if (!forward.settings.via.empty()) {
    out << "Via: " << (head.version == http::Version::http10 ? "1.0 " : "1.1 ") << forward.settings.via << kLineEnd;
  }
  if (changed) write_changes(out, changes);
  out << kLineEnd;
}

void write_response(HeadWriter& out, const http::ResponseHead& head, const ResponseForward& forward) {
  const Changes changes{&forward.rule.response, &forward.backend.response};
  const bool changed = !changes[0]->empty() || !changes[1]->empty();
  const bool sized = head.status != 204 && !forward.tunnel;
  write_status_line(out, head);
  FieldSet ours = http::kHopByHop;
  if (!sized) ours |= {FieldId::content_length};
  copy_fields(out, head.fields, head.bytes, [&](const Field& field) {
    if (ours.has(field.id)) return false;
    if (changed && (is_changed(field, *changes[0]) || is_changed(field, *changes[1]))) return false;
    return !head.connection.nominates || !is_nominated(field, head.fields);
  });
  const bool coded = head.body.kind == http::BodyKind::chunked && forward.client == http::Version::http11;
  if (coded) out << "Transfer-Encoding: chunked\r\n";
  if (head.status == 101) {
    out << "Connection: upgrade\r\nUpgrade: websocket\r\n";
  } else if (!forward.keep_alive && !forward.tunnel) {
    out << "Connection: close\r\n";
  } else if (forward.client == http::Version::http10) {
    out << "Connection: keep-alive\r\n";
  }
  if (changed) write_changes(out, changes);
  if (!forward.cookie.name.empty()) write_cookie(out, forward.cookie);
  out << kLineEnd;
}

void write_interim(HeadWriter& out, const http::ResponseHead& head) {
  write_status_line(out, head);
  copy_fields(out, head.fields, head.bytes, [&](const Field& field) {
    return !http::kHopByHop.has(field.id) && field.id != FieldId::content_length &&
           (!head.connection.nominates || !is_nominated(field, head.fields));
  });
  out << kLineEnd;
}

}  // namespace flatproxy
