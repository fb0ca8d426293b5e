#include "port/ethdev.h"

#include <rte_ethdev.h>

#include <algorithm>
#include <mutex>
#include <vector>

#include "port/ethdev_device.h"
#include "port/ethdev_queue.h"

namespace flatproxy {
namespace {

/// DPDK's plugging, configuring and unplugging is for one thread at a time. Never destroyed: ports may close late.
std::mutex& control_lock() {
  static auto* const mutex = new std::mutex;
  return *mutex;
}

/// The address and the MTU of a device that has them.
void describe(const EthdevDevice& device, PortInfo& info) {
  rte_ether_addr address;
  if (rte_eth_macaddr_get(device.id(), &address) == 0 && rte_is_zero_ether_addr(&address) == 0) {
    std::copy_n(address.addr_bytes, info.mac.bytes.size(), info.mac.bytes.begin());
  }
  uint16_t mtu = 0;
  if (rte_eth_dev_get_mtu(device.id(), &mtu) == 0 && mtu > 0) info.mtu = mtu;
}

class EthdevPort : public Port {
 public:
  EthdevPort(PortInfo info, const std::string& devargs, unsigned lanes) : Port(std::move(info)) {
    const std::lock_guard lock(control_lock());
    device_ = std::make_unique<EthdevDevice>(info_, devargs, lanes);
    describe(*device_, info_);
    send_locks_ = std::vector<std::mutex>(device_->send_queues());
    const bool shared = device_->send_queues() < lanes;
    for (unsigned lane = 0; lane < lanes; ++lane) {
      std::mutex* lock_of_queue = shared ? &send_locks_[lane % send_locks_.size()] : nullptr;
      queues_.push_back(std::make_unique<EthdevQueue>(info_, *device_, lane, lock_of_queue));
    }
  }
  ~EthdevPort() override {
    const std::lock_guard lock(control_lock());
    queues_.clear();
    device_.reset();
  }

  PortQueue& queue(unsigned lane) override { return *queues_[lane]; }
  std::string loss_reason() const override { return device_->loss_reason(); }

 private:
  std::unique_ptr<EthdevDevice> device_;
  std::vector<std::mutex> send_locks_;
  std::vector<std::unique_ptr<EthdevQueue>> queues_;
};

}  // namespace

std::shared_ptr<Port> open_ethdev(PortInfo info, const std::string& devargs, unsigned lanes) {
  return std::make_shared<EthdevPort>(std::move(info), devargs, lanes);
}

}  // namespace flatproxy
