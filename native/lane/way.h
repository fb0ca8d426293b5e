#pragma once

#include <bit>
#include <cstdint>

#include "lane/link_ways.h"
#include "tcp/connection.h"

namespace flatproxy {

/// How a connection's frames leave, as Connection::path[0] keeps it; zeros: not known yet.
struct Way {
  static constexpr uint16_t kByLink = 0xffff;

  uint32_t number = 0;   ///< the gateway's epoch; with kByLink the id of the link way
  uint16_t exit = 0;     ///< the gateway's, plus one, or kByLink
  uint16_t arrival = 0;  ///< id of the port that the last frame came by, plus one

  static Way of(uint64_t path) { return std::bit_cast<Way>(path); }
  static Way of(const tcp::Connection& c) { return of(c.path[0]); }
  static Way by_link(LinkWays::Id id) { return {.number = id, .exit = kByLink}; }
  uint64_t path() const { return std::bit_cast<uint64_t>(*this); }
  void keep_in(tcp::Connection& c) const { c.path[0] = path(); }

  bool is_by_link() const { return exit == kByLink; }
};

}  // namespace flatproxy
