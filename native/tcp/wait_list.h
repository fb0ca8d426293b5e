#pragma once

#include "tcp/connection.h"

namespace flatproxy::tcp {

/// Connections in TIME-WAIT that nobody owns, the oldest first: a table that is full gives them up.
class WaitList {
 public:
  Connection* oldest() const { return first_; }

  void add(Connection& c) {
    if (c.has(kWaiting)) return;
    c.set(kWaiting);
    c.next_waiting = nullptr;
    c.previous_waiting = last_;
    (last_ != nullptr ? last_->next_waiting : first_) = &c;
    last_ = &c;
  }
  void remove(Connection& c) {
    if (!c.has(kWaiting)) return;
    c.unset(kWaiting);
    (c.previous_waiting != nullptr ? c.previous_waiting->next_waiting : first_) = c.next_waiting;
    (c.next_waiting != nullptr ? c.next_waiting->previous_waiting : last_) = c.previous_waiting;
  }

 private:
  Connection* first_ = nullptr;
  Connection* last_ = nullptr;
};

}  // namespace flatproxy::tcp
