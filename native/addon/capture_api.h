#pragma once

#include <napi.h>

namespace flatproxy {

/// Adds to `exports` what lib/native.ts calls on captures: compileFilter, beginCapture, readCapture, captured,
/// endCapture, finishCapture; and the list `verdicts`.
void export_capture(Napi::Env env, Napi::Object exports);

}  // namespace flatproxy
