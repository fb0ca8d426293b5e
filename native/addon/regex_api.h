#pragma once

#include <napi.h>

namespace flatproxy {

// Adds to `exports` checkRegex(text: string): string | null, why a text is no expression of a route (route/regex.h).
void export_regex(Napi::Env env, Napi::Object exports);

}  // namespace flatproxy
