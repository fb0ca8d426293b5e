#include "upstream/pools.h"

#include <utility>

namespace flatproxy::upstream {

uint32_t Pools::find(uint32_t endpoint, const wire::Address& address, uint16_t port, const PoolSettings& settings) {
  if (endpoint >= by_endpoint_.size()) by_endpoint_.resize(endpoint + 1, kNone);
  uint32_t& at = by_endpoint_[endpoint];
  const bool known = at != kNone && pools_[at].port == port && pools_[at].address == address;
  if (!known) at = make(endpoint, address, port, at);
  pools_[at].settings = settings;
  return at;
}

/// @param before the pool of one that had the id before: its connections end when they have been idle for long enough
uint32_t Pools::make(uint32_t endpoint, const wire::Address& address, uint16_t port, uint32_t before) {
  if (before != kNone && pools_[before].connections == 0 && pools_[before].waiting == 0) free_pools_.push_back(before);
  auto index = static_cast<uint32_t>(pools_.size());
  if (free_pools_.empty()) {
    pools_.emplace_back();
  } else {
    index = free_pools_.back();
    free_pools_.pop_back();
    pools_[index] = {};
  }
  pools_[index].endpoint = endpoint;
  pools_[index].address = address;
  pools_[index].port = port;
  return index;
}

Link* Pools::take_idle(uint32_t pool) {
  const uint32_t newest = pools_[pool].newest_idle;
  if (newest == kNone) return nullptr;
  Link& link = links_[newest];
  take_out(link);
  return &link;
}

Link* Pools::open(uint32_t pool, const RelayTarget& target) {
  Link* link = links_.make();
  if (link == nullptr) return nullptr;
  auto* owner = static_cast<ConnectionOwner*>(link);
  link->connection = streams_.connect(target.tuple, {owner, target.mtu, target.mark, target.path});
  if (link->connection == nullptr) {
    links_.destroy(*link);
    return nullptr;
  }
  link->pool = pool;
  link->target = target;
  link->target.opened = true;
  Pool& p = pools_[pool];
  ++p.connections;
  ++p.opening;
  wheel_.set(link->index, now_ + p.settings.connect_timeout);
  return link;
}

void Pools::opened(Link& link) {
  link.open = true;
  --pools_[link.pool].opening;
  wheel_.clear(link.index);
}

void Pools::keep(Link& link) {
  Pool& p = pools_[link.pool];
  link.idle = true;
  link.user = kNone;
  link.older = p.newest_idle;
  link.newer = kNone;
  (p.newest_idle != kNone ? links_[p.newest_idle].newer : p.oldest_idle) = link.index;
  p.newest_idle = link.index;
  link.idle_since = now_;
  // A timer that an earlier rest has left fires early, and is set again.
  if (!link.timer.armed()) wheel_.set(link.index, now_ + p.settings.idle_timeout);
}

void Pools::take_out(Link& link) {
  Pool& p = pools_[link.pool];
  (link.newer != kNone ? links_[link.newer].older : p.newest_idle) = link.older;
  (link.older != kNone ? links_[link.older].newer : p.oldest_idle) = link.newer;
  link.newer = link.older = kNone;
  link.idle = false;
}

RelayTarget Pools::close(Link& link, How how) {
  Pool& p = pools_[link.pool];
  if (link.idle) take_out(link);
  if (!link.open) --p.opening;
  --p.connections;
  wheel_.clear(link.index);
  if (how == How::reset) {
    streams_.abort(*link.connection);
  } else {
    streams_.close(*link.connection);
  }
  if (is_left_over(p, link.pool)) free_pools_.push_back(link.pool);
  const RelayTarget target = link.target;
  links_.destroy(link);
  return target;
}

bool Pools::may_rest_on(Link& link) {
  const Nanoseconds until = link.idle_since + pools_[link.pool].settings.idle_timeout;
  if (link.idle && now_ >= until) return false;
  if (link.idle) wheel_.set(link.index, until);
  return true;
}

uint64_t Pools::wait(uint32_t pool, uint32_t user) {
  Pool& p = pools_[pool];
  p.queue.push_back({user, ++next_ticket_});
  ++p.waiting;
  return next_ticket_;
}

}  // namespace flatproxy::upstream
