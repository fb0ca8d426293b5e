#pragma once

#include <string>

#include "packet/error.h"

namespace flatproxy {

/// The typed error for a failed system call on a port's cold path.
/// @param doing what failed, for people: "create tap device 'tap0'"
/// @param number the errno
/// @param capability what EPERM and EACCES mean here: "CAP_NET_ADMIN"
Error system_error(const std::string& doing, int number, const std::string& capability = "CAP_NET_ADMIN");

}  // namespace flatproxy
