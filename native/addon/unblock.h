#pragma once

#include <napi.h>

namespace flatproxy {

// Adds to `exports` unblock(interface: string): number, which throws what unblock() does (port/iface_unblock.h).
void export_unblock(Napi::Env env, Napi::Object exports);

}  // namespace flatproxy
