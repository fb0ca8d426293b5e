#pragma once

#include <napi.h>

namespace flatproxy {

/// Adds to `exports` what lib/native.ts calls on engines: createEngine, apply, stats, listFlows, wantEvents,
/// sendFrames, takeFrames, refuseNew, drained, ref, close; and the tables `reasons` and `states`.
void export_engine(Napi::Env env, Napi::Object exports);

}  // namespace flatproxy
