#pragma once

#include <napi.h>

#include "lane/explain.h"

namespace flatproxy {

/// As `NativeExplanation` of lib/native.ts.
Napi::Object to_js(Napi::Env env, const Explanation& explanation);

}  // namespace flatproxy
