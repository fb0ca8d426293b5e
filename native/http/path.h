#pragma once

#include <cstdint>
#include <string_view>

#include "config/http_settings.h"

namespace flatproxy::http {

/// What becomes of a path before routes see it.
struct PathSettings {
  HttpSettings::DotSegments dot_segments = HttpSettings::DotSegments::normalize;
  HttpSettings::EncodedSlashes encoded_slashes = HttpSettings::EncodedSlashes::keep;
  bool merge_slashes = false;
};

/// Brings a path, which begins with '/', into the form that routes match and endpoints get: encoded unreserved
/// characters decoded (RFC 3986 section 6.2.2.2), then slashes and dot segments (section 5.2.4) as the settings say.
/// @param to   holds the result; as long as the path
/// @param path becomes the result: itself when nothing was to be changed
/// False: the path is to be refused.
bool normalize_path(const PathSettings& settings, char* to, std::string_view& path);

}  // namespace flatproxy::http
