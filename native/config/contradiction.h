#pragma once

#include <string>

#include "packet/error.h"

namespace flatproxy {

/// A plan that can be read, but whose parts do not fit each other or the snapshot in force.
[[noreturn]] inline void contradiction(const std::string& what) {
  throw Error("ERR_FLATPROXY_INTERNAL", "the engine's plan contradicts itself: " + what,
              "this is a bug in flatproxy: please report it");
}

}  // namespace flatproxy
