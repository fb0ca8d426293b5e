#pragma once

#include <napi.h>

#include "lane/engine.h"

namespace flatproxy {

/// The counters, summed over the lanes, in the order that `Addon.stats` of lib/native.ts tells.
Napi::Float64Array stats_to_js(Napi::Env env, Engine& engine, const Napi::Uint32Array& ports,
                               const Napi::Uint32Array& services);

}  // namespace flatproxy
