#pragma once

#include <napi.h>

#include "addon/memory_end.h"

namespace flatproxy {

/// Sends Uint8Arrays; returns how many of the first ones were taken. Throws at what is no frame.
uint32_t send_frames(MemoryEnd& end, const Napi::Array& frames);

/// Frames as Uint8Arrays: as many as are copied without holding the event loop for a millisecond.
Napi::Array take_frames(Napi::Env env, MemoryEnd& end);

}  // namespace flatproxy
