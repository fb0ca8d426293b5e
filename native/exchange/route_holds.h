#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "route/table.h"

namespace flatproxy {

/// Route tables of a lane: the one in force, and those before it that exchanges still hold on to.
class RouteHolds {
 public:
  void adopt(std::shared_ptr<const route::Table> table) {
    if (table == current().table) return;
    release_if_unused(current_);
    for (current_ = 0; current_ < holds_.size() && holds_[current_].table != nullptr;) ++current_;
    if (current_ == holds_.size()) holds_.emplace_back();
    holds_[current_].table = std::move(table);
  }
  const route::Table* table() const { return holds_[current_].table.get(); }
  /// The one that is held on to.
  const route::Table& table_of(uint32_t hold) const { return *holds_[hold].table; }

  /// Keeps the table in force. Returns what let_go() is given.
  uint32_t hold() {
    ++holds_[current_].count;
    return current_;
  }
  void let_go(uint32_t hold) {
    --holds_[hold].count;
    if (hold != current_) release_if_unused(hold);
  }

 private:
  struct Hold {
    std::shared_ptr<const route::Table> table;
    uint32_t count = 0;
  };

  const Hold& current() const { return holds_[current_]; }
  void release_if_unused(uint32_t hold) {
    if (holds_[hold].count == 0) holds_[hold].table.reset();
  }

  std::vector<Hold> holds_{1};
  uint32_t current_ = 0;
};

}  // namespace flatproxy
