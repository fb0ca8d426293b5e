#pragma once

#include <napi.h>

namespace flatproxy {

// Adds to `exports`: dpdkVersion(): string, and startEal({ memoryMb?, pci? }), which throws what eal_start() throws.
void export_eal(Napi::Env env, Napi::Object exports);

}  // namespace flatproxy
