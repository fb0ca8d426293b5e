#pragma once

#include <memory>
#include <vector>

#include "port/impairment.h"
#include "port/port.h"

namespace flatproxy {

/// Wraps a port and impairs what it receives and what it sends, each direction of each queue with random numbers of its
/// own out of one seed. Before that, checksums are filled in, kChecksumValid is cleared (the receiver must find what
/// was corrupted) and large frames are cut to their segment size. The buffers of the lanes must outlive the port.
class FaultPort : public Port {
 public:
  FaultPort(std::shared_ptr<Port> inner, unsigned lanes, const Faults& faults);
  ~FaultPort() override;

  PortQueue& queue(unsigned lane) override;
  bool virtual_time() const override { return inner_->virtual_time(); }
  bool wants_claims() const override { return inner_->wants_claims(); }
  bool claim(const Tuple& tuple) override { return inner_->claim(tuple); }
  void unclaim(const Tuple& tuple) override { inner_->unclaim(tuple); }
  std::string loss_reason() const override { return inner_->loss_reason(); }

  Port& inner() { return *inner_; }
  const FaultCounters& received() const { return received_; }
  const FaultCounters& sent() const { return sent_; }

 private:
  class Queue;
  std::shared_ptr<Port> inner_;
  std::vector<std::unique_ptr<Queue>> queues_;
  FaultCounters received_;
  FaultCounters sent_;
};

}  // namespace flatproxy
