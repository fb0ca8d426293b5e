#pragma once

#include <napi.h>

namespace flatproxy {

/// Live flows under a mesh that is not in force: `beginShadow`, `replaceShadow`, `judgeShadow` of lib/native.ts.
void export_shadow(Napi::Env env, Napi::Object exports);

}  // namespace flatproxy
