#pragma once

#include <napi.h>

namespace flatproxy {

/// Adds to the addon what says where packets go: `Addon.explain` and `Addon.explainPlan` of lib/native.ts.
void export_explain(Napi::Env env, Napi::Object exports);

}  // namespace flatproxy
