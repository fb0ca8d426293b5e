#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "port/ethdev_mbuf.h"
#include "port/link_monitor.h"
#include "port/port.h"

namespace flatproxy {

/// A DPDK device that was plugged, configured and started, until it is destroyed.
class EthdevDevice {
 public:
  /// Completes `info` by what the device is and can do. Throws Error.
  EthdevDevice(PortInfo& info, const std::string& devargs, unsigned lanes);
  ~EthdevDevice();
  EthdevDevice(const EthdevDevice&) = delete;
  EthdevDevice& operator=(const EthdevDevice&) = delete;

  uint16_t id() const { return id_; }
  MbufPool& pool() { return *pool_; }
  unsigned receive_queues() const { return receive_queues_; }
  unsigned send_queues() const { return send_queues_; }
  bool chains() const { return chains_; }      ///< sends frames of several mbufs
  bool offloads() const { return offloads_; }  ///< rte_eth_tx_prepare() has work to do

  /// What a lane can sleep on: the socket of a queue, its interrupt (to be enabled), or -1.
  int wait_fd(unsigned queue) const { return wait_fds_[queue]; }
  bool interrupts() const { return interrupts_; }

  /// The device was unplugged, or the kernel's interface behind it is down or deleted.
  bool lost() const { return removed_.load(std::memory_order_relaxed) || (monitor_ && !monitor_->up()); }
  std::string loss_reason() const;
  /// There is an interface to be watched: watch() is to be called now and then, by one thread.
  bool watches() const { return monitor_.has_value(); }
  void watch(Nanoseconds now);

 private:
  void open(PortInfo& info, const std::string& devargs, unsigned lanes);
  void plug(const std::string& devargs);
  void configure(PortInfo& info, unsigned lanes);
  void start();
  void monitor_interface(const std::string& devargs);
  void revive_sockets();
  void find_wait_fds(const std::vector<int>& before);
  void unplug();

  std::string name_;  // of the port, for messages
  uint16_t id_ = 0;
  bool plugged_ = false;
  bool started_ = false;
  bool chains_ = false;
  bool offloads_ = false;
  bool interrupts_ = false;
  unsigned receive_queues_ = 0;
  unsigned send_queues_ = 0;
  std::shared_ptr<MbufPool> pool_;
  std::vector<int> wait_fds_;
  std::vector<int> sockets_;  // that the driver has opened
  std::atomic<bool> removed_{false};
  std::string interface_;
  std::optional<LinkMonitor> monitor_;
  Nanoseconds watched_ = 0;
};

}  // namespace flatproxy
