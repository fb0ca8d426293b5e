#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "conntrack/slab.h"
#include "http/head_source.h"
#include "tls/streams.h"
#include "upstream/target.h"

namespace flatproxy::upstream {

constexpr uint32_t kNone = ~0u;

/// A connection to an endpoint. It carries one request at a time.
struct Link : ConnectionOwner {
  Link() : ConnectionOwner(Kind::http_endpoint) {}
  uint32_t index = 0;
  tcp::Connection* connection = nullptr;
  uint32_t pool = kNone;
  uint32_t user = kNone;   ///< the exchange that has it; kNone: it is idle, or opening
  uint32_t requests = 0;   ///< that it was given
  uint32_t newer = kNone;  ///< among the idle ones of its pool
  uint32_t older = kNone;
  bool open = false;
  bool idle = false;
  Nanoseconds idle_since = 0;
  RelayTarget target;
  http::HeadProgress progress;
  tcp::WheelNode timer;
};

/// How many connections there are for a pool, and for how long.
struct PoolSettings {
  uint32_t max_pending = 1024;
  uint32_t max_requests = 0;  ///< of a connection; 0: no limit
  Nanoseconds connect_timeout = 5'000'000'000;
  Nanoseconds idle_timeout = 60'000'000'000;
};

/// A lane's connections to one endpoint, and those who wait for one of them.
struct Pool {
  uint32_t endpoint = kNone;  ///< id
  wire::Address address;
  uint16_t port = 0;
  PoolSettings settings;
  uint32_t newest_idle = kNone;
  uint32_t oldest_idle = kNone;
  uint32_t connections = 0;  ///< idle ones and those that are opening included
  uint32_t opening = 0;
  uint32_t waiting = 0;
  struct Ticket {
    uint32_t user;
    uint64_t number;
  };
  std::deque<Ticket> queue;  ///< of those who wait; some have left it
  uint32_t failures = 0;     ///< in a row
};

/// A lane's connections to endpoints, by endpoint.
class Pools {
 public:
  /// @param capacity connections at most
  Pools(tls::Streams& streams, uint32_t capacity)
      : streams_(streams), links_(capacity), wheel_(Nodes{links_.items()}, tcp::kTimerSlack) {}

  /// The pool of an endpoint, by its id; what was kept for another address is let go.
  uint32_t find(uint32_t endpoint, const wire::Address& address, uint16_t port, const PoolSettings& settings);
  Pool& pool(uint32_t index) { return pools_[index]; }
  Link& link(uint32_t index) { return links_[index]; }
  Pool& pool_of(const Link& link) { return pools_[link.pool]; }

  /// The connection that was used last of those that are idle; nullptr: none is.
  Link* take_idle(uint32_t pool);
  /// Begins to open one; nullptr: there is no room, or its tuple is taken.
  Link* open(uint32_t pool, const RelayTarget& target);
  void opened(Link& link);
  /// Its exchange has ended, and another may follow.
  void keep(Link& link);

  /// Takes a place in the queue. Returns the number of the ticket.
  uint64_t wait(uint32_t pool, uint32_t user);
  /// Leaves it.
  void leave(uint32_t pool) { --pools_[pool].waiting; }
  /// Whoever waits longest leaves the queue; kNone: nobody waits. @param holds whether a user's ticket still counts
  template <typename Holds>
  uint32_t next_waiting(uint32_t pool, Holds&& holds) {
    Pool& p = pools_[pool];
    while (!p.queue.empty()) {
      const Pool::Ticket ticket = p.queue.front();
      p.queue.pop_front();
      if (!holds(ticket.user, ticket.number)) continue;
      --p.waiting;
      return ticket.user;
    }
    return kNone;
  }

  enum class How : uint8_t { fin, reset };
  /// Ends a connection. Returns its target, to be given back.
  RelayTarget close(Link& link, How how);

  void set_time(Nanoseconds now) {
    if (now_ == 0) wheel_.start(now);
    now_ = now;
  }
  /// Of one whose timer has fired: whether it is in use, or has not been idle for so long. It is then set again.
  bool may_rest_on(Link& link);
  /// Calls fire(Link&) for idle connections whose time may be over, and for those that have not opened in time.
  template <typename Fire>
  void advance(Fire&& fire) {
    wheel_.advance(now_, [&](uint32_t index) { fire(links_[index]); });
  }
  Nanoseconds next_deadline() const { return wheel_.next(); }

 private:
  struct Nodes {
    Link* links;
    tcp::WheelNode& operator()(uint32_t index) const { return links[index].timer; }
  };

  uint32_t make(uint32_t endpoint, const wire::Address& address, uint16_t port, uint32_t before);
  void take_out(Link& link);
  bool is_left_over(const Pool& pool, uint32_t index) const {
    return pool.connections == 0 && pool.waiting == 0 && by_endpoint_[pool.endpoint] != index;
  }

  tls::Streams& streams_;
  Slab<Link> links_;
  tcp::TimerWheel<Nodes> wheel_;
  std::vector<Pool> pools_;
  std::vector<uint32_t> free_pools_;
  std::vector<uint32_t> by_endpoint_;  // indexes of pools, by endpoint id
  uint64_t next_ticket_ = 0;
  Nanoseconds now_ = 0;
};

}  // namespace flatproxy::upstream
