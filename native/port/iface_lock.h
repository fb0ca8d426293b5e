#pragma once

#include <cstdint>
#include <string>

#include "port/fd.h"

namespace flatproxy {

/// Takes an interface of the calling thread's network namespace for this process, until the descriptor closes: with the
/// process at the latest. Who holds it knows that every filter or pin of flatproxy's on the interface is a dead
/// process's.
/// @throws Error ERR_FLATPROXY_IN_USE, naming the process that has it
Fd lock_interface(const std::string& name, uint32_t index);

}  // namespace flatproxy
