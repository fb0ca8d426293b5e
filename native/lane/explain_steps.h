#pragma once

#include <string>

#include "lane/explain.h"

namespace flatproxy {

// How steps of an explanation name what they are about.

/// "10.0.0.1:80", "[2001:db8::1]:80"
std::string end_text(const wire::Address& address, uint16_t port);
/// The first packet of a flow: "from > to", of RoCEv2 with its queue pair.
std::string flow_text(const FlowRecord& flow);

}  // namespace flatproxy
