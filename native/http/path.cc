#include "http/path.h"

#include <algorithm>
#include <cstring>

#include "http/chars.h"

namespace flatproxy::http {
namespace {

using DotSegments = HttpSettings::DotSegments;
using EncodedSlashes = HttpSettings::EncodedSlashes;

/// RFC 3986 section 2.3.
bool is_unreserved(char c) { return is(c, kHostName) && !detail::is_one_of(c, "!$&'()*+;="); }

/// Whether there is nothing to be done: no '%', no "//", no segment that begins with a dot.
bool is_plain(std::string_view path) {
  char before = 0;
  for (const char c : path) {
    if (c == '%' || (before == '/' && (c == '/' || c == '.'))) return false;
    before = c;
  }
  return true;
}

/// Copies a path with what need not be encoded decoded. Returns the end of the copy; nullptr: it is refused.
char* decode(const PathSettings& settings, std::string_view path, char* to) {
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] != '%') {
      *to++ = path[i];
      continue;
    }
    const char decoded = static_cast<char>(hex_value(path[i + 1]) << 4 | hex_value(path[i + 2]));
    const bool slash = decoded == '/';
    if (slash && settings.encoded_slashes == EncodedSlashes::reject) return nullptr;
    if (is_unreserved(decoded) || (slash && settings.encoded_slashes == EncodedSlashes::decode)) {
      *to++ = decoded;
    } else {
      to = std::copy_n(path.data() + i, 3, to);
    }
    i += 2;
  }
  return to;
}

/// RFC 3986 section 5.2.4, segment by segment, in place. Returns the end; nullptr: it is refused.
char* settle_segments(const PathSettings& settings, char* begin, const char* end) {
  char* to = begin;
  for (const char* at = begin; at != end;) {
    const char* const stop = std::find(at + 1, end, '/');
    const std::string_view segment(at + 1, static_cast<size_t>(stop - at - 1));
    const bool last = stop == end;
    const bool dots = (segment == "." || segment == "..") && settings.dot_segments != DotSegments::keep;
    if (dots) {
      if (settings.dot_segments == DotSegments::reject) return nullptr;
      if (segment == "..") {
        while (to != begin && *--to != '/') {
        }
      }
      if (last) *to++ = '/';
    } else if (!segment.empty() || last || !settings.merge_slashes) {
      to = std::copy(at, stop, to);
    }
    at = stop;
  }
  return to;
}

}  // namespace

bool normalize_path(const PathSettings& settings, char* to, std::string_view& path) {
  if (is_plain(path)) return true;
  const char* const decoded = decode(settings, path, to);
  const char* const end = decoded != nullptr ? settle_segments(settings, to, decoded) : nullptr;
  if (end == nullptr) return false;
  path = {to, static_cast<size_t>(end - to)};
  return true;
}

}  // namespace flatproxy::http
