#include "http/field_id.h"

#include <algorithm>
#include <cstdint>

#include "http/chars.h"

namespace flatproxy::http {
namespace {

/// Whether a token of the right length is a name, given in lower case. Sets the bit that makes letters small, which
/// makes no other character of a token one of a name's.
template <typename Word>
bool is_by_words(const char* text, const char* name, size_t n) {
  constexpr Word kSmall = static_cast<Word>(0x2020202020202020u);
  for (size_t at = 0;; at = std::min(at + sizeof(Word), n - sizeof(Word))) {
    if ((detail::load_word<Word>(text + at) | kSmall) != detail::load_word<Word>(name + at)) return false;
    if (at + sizeof(Word) == n) return true;
  }
}

FieldId if_is(std::string_view text, std::string_view name, FieldId id) {
  const size_t n = name.size();
  const bool is = n >= 8   ? is_by_words<uint64_t>(text.data(), name.data(), n)
                  : n >= 4 ? is_by_words<uint32_t>(text.data(), name.data(), n)
                           : is_by_words<uint16_t>(text.data(), name.data(), n);
  return is ? id : FieldId::other;
}

}  // namespace

FieldId field_id(std::string_view name) {
  const char first = static_cast<char>(name.empty() ? 0 : name[0] | 0x20);
  // clang-format off
  switch (name.size()) {
    case 2:  return if_is(name, "te", FieldId::te);
    case 3:  return if_is(name, "via", FieldId::via);
    case 4:  return if_is(name, "host", FieldId::host);
    case 6:  return first == 'c' ? if_is(name, "cookie", FieldId::cookie)
                                 : if_is(name, "expect", FieldId::expect);
    case 7:  return first == 't' ? if_is(name, "trailer", FieldId::trailer)
                                 : if_is(name, "upgrade", FieldId::upgrade);
    case 9:  return if_is(name, "forwarded", FieldId::forwarded);
    case 10: return first == 'c' ? if_is(name, "connection", FieldId::connection)
                  : first == 'k' ? if_is(name, "keep-alive", FieldId::keep_alive)
                                 : if_is(name, "tracestate", FieldId::tracestate);
    case 11: return if_is(name, "traceparent", FieldId::traceparent);
    case 14: return if_is(name, "content-length", FieldId::content_length);
    case 15: return if_is(name, "x-forwarded-for", FieldId::x_forwarded_for);
    case 16: return first == 'p'                 ? if_is(name, "proxy-connection", FieldId::proxy_connection)
                    : (name[12] | 0x20) == 'h'   ? if_is(name, "x-forwarded-host", FieldId::x_forwarded_host)
                                                 : if_is(name, "x-forwarded-port", FieldId::x_forwarded_port);
    case 17: return first == 't' ? if_is(name, "transfer-encoding", FieldId::transfer_encoding)
                                 : if_is(name, "x-forwarded-proto", FieldId::x_forwarded_proto);
    default: return FieldId::other;
  }
  // clang-format on
}

}  // namespace flatproxy::http
