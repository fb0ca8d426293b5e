#pragma once

#include <cstddef>
#include <string>

namespace flatproxy {

/// Removes what a process that is gone left on an interface of this network namespace: the block of `onExit: 'block'`,
/// stale filters and pins. @returns how many there were
/// @throws Error ERR_FLATPROXY_NOT_FOUND, ERR_FLATPROXY_IN_USE (a living process has the interface), _PERMISSION
size_t unblock(const std::string& interface);

}  // namespace flatproxy
