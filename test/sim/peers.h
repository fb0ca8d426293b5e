#pragma once

#include <cstdint>
#include <string>

#include "packet/segment.h"

namespace flatproxy::sim {

/// The hosts of one side of a simulation.
class Peers {
 public:
  virtual ~Peers() = default;
  virtual void step(Nanoseconds now) = 0;
  virtual void take(const Segment* frame) = 0;
  virtual Nanoseconds next_deadline() const = 0;
  /// Every connection of it has ended.
  virtual bool done() const = 0;
  /// What is wrong with what has come; empty: nothing.
  const std::string& problem() const { return problem_; }
  virtual uint32_t buffers_in_use() const { return 0; }

 protected:
  void wrong(const std::string& what) {
    if (problem_.empty()) problem_ = what;
  }

 private:
  std::string problem_;
};

}  // namespace flatproxy::sim
