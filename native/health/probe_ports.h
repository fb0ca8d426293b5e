#pragma once

#include <cstdint>
#include <vector>

#include "packet/tuple.h"

namespace flatproxy {

/// The source ports of health probes: each one carries one probe at a time. A port that is free again is taken as late
/// as possible, and remembers its last probe until then, so that a late answer is still known for what it is.
class ProbePorts {
 public:
  static constexpr uint32_t kNobody = ~0u;

  struct Probe {
    Tuple tuple;                ///< as sent
    uint32_t sequence = 0;      ///< of its SYN
    uint32_t target = kNobody;  ///< who waits for the answer; kNobody: it is over
  };

  /// @param first,last the range, both included; first is above 0 and not above last
  ProbePorts(uint16_t first, uint16_t last);

  /// Takes a port for a probe of `tuple`, whose source port it fills in. nullptr: all are taken.
  Probe* take(const Tuple& tuple, uint32_t sequence, uint32_t target);
  /// The probe is over, its port free.
  void give_back(uint16_t port);
  /// The last probe that was sent along this very tuple, under way or over; nullptr: none.
  const Probe* find(const Tuple& sent) const;

  bool exhausted() const { return free_count_ == 0; }
  uint32_t taken() const { return static_cast<uint32_t>(probes_.size()) - free_count_; }

 private:
  uint16_t first_;
  std::vector<Probe> probes_;   // by port - first_
  std::vector<uint16_t> free_;  // a ring of indexes into probes_: the head has been free for longest
  uint32_t free_head_ = 0;
  uint32_t free_count_;
};

}  // namespace flatproxy
