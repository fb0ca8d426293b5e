#pragma once

#include <string>

#include "script.h"

namespace flatproxy::packetdrill {

/// Runs a script against the TCP, in virtual time. Returns what went otherwise than it says, "" if nothing did.
std::string run(const Script& script);

}  // namespace flatproxy::packetdrill
