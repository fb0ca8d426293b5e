#include "health/probe_ports.h"

#include <numeric>

namespace flatproxy {

ProbePorts::ProbePorts(uint16_t first, uint16_t last)
    : first_(first),
      probes_(last - first + 1u),
      free_(probes_.size()),
      free_count_(static_cast<uint32_t>(free_.size())) {
  std::iota(free_.begin(), free_.end(), uint16_t{0});
}

ProbePorts::Probe* ProbePorts::take(const Tuple& tuple, uint32_t sequence, uint32_t target) {
  if (free_count_ == 0) return nullptr;
  const uint16_t index = free_[free_head_];
  free_head_ = (free_head_ + 1) % static_cast<uint32_t>(free_.size());
  --free_count_;
  Probe& probe = probes_[index];
  probe = {tuple, sequence, target};
  probe.tuple.source_port = static_cast<uint16_t>(first_ + index);
  return &probe;
}

void ProbePorts::give_back(uint16_t port) {
  const auto index = static_cast<uint16_t>(port - first_);
  probes_[index].target = kNobody;
  free_[(free_head_ + free_count_) % free_.size()] = index;
  ++free_count_;
}

const ProbePorts::Probe* ProbePorts::find(const Tuple& sent) const {
  const uint32_t index = uint32_t{sent.source_port} - first_;  // wraps below the range
  if (index >= probes_.size() || probes_[index].tuple != sent) return nullptr;
  return &probes_[index];
}

}  // namespace flatproxy
