#pragma once

#include <functional>
#include <string>

namespace flatproxy {

/// Runs `action` inside a network namespace and returns when it is done; what it throws is thrown here. It runs on a
/// short-lived thread of its own, so that the caller can never be left in the wrong namespace.
/// @param netns a name ("blue": /run/netns/blue), a path ("/proc/123/ns/net"), or "" for the caller's own
/// @throws Error ERR_FLATPROXY_NOT_FOUND, ERR_FLATPROXY_PERMISSION
void in_netns(const std::string& netns, const std::function<void()>& action);

}  // namespace flatproxy
