#pragma once

#include <napi.h>

namespace flatproxy {

/// Adds to `exports` what lib/native.ts calls for replays: replay, replayedFlows, pipe.
void export_replay(Napi::Env env, Napi::Object exports);

}  // namespace flatproxy
