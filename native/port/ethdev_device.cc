#include "port/ethdev_device.h"

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <thread>
#include <utility>

#include "packet/error.h"
#include "port/ethdev_eal.h"
#include "port/netlink.h"

namespace flatproxy {
namespace {

constexpr uint16_t kDescriptors = 1024;
constexpr uint32_t kMbufs = 4096;
constexpr uint32_t kMbufsPerQueue = 4096;
constexpr unsigned kXdpAttempts = 10;
constexpr std::chrono::milliseconds kXdpPause{50};
constexpr Nanoseconds kWatchInterval = 50'000'000;
/// AF_XDP sends 32 frames a call: enough for a ring.
constexpr unsigned kKicks = 2 * kDescriptors / 32;

/// "0000:03:00.0", "03:00.0" or "pci:...", arguments aside.
bool is_pci(const std::string& devargs) {
  const std::string name = devargs.substr(0, devargs.find(','));
  if (name.starts_with("pci:")) return true;
  const size_t dot = name.rfind('.');
  return dot != std::string::npos && dot >= 5 && name[dot - 3] == ':' && std::isxdigit(name[0]) != 0;
}

int domain_of(int fd) {
  int domain = 0;
  socklen_t size = sizeof(domain);
  return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 ? domain : -1;
}

/// The sockets of this process that packets come from: those of net_af_packet and net_af_xdp.
std::vector<int> packet_sockets() {
  std::vector<int> found;
  std::error_code failure;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", failure)) {
    const int fd = std::atoi(entry.path().filename().c_str());
    const int domain = domain_of(fd);
    if (domain == AF_PACKET || domain == AF_XDP) found.push_back(fd);
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::string add_argument(const std::string& devargs, const std::string& key, const std::string& value) {
  return devargs.find("," + key + "=") == std::string::npos ? devargs + "," + key + "=" + value : devargs;
}

/// The kernel's interface that net_af_packet or net_af_xdp stands on; empty for other devices.
std::string interface_of(const std::string& devargs) {
  if (!devargs.starts_with("net_af_packet") && !devargs.starts_with("net_af_xdp")) return {};
  constexpr std::string_view kKey = ",iface=";
  const size_t at = devargs.find(kKey);
  if (at == std::string::npos) return {};
  const size_t start = at + kKey.size();
  return devargs.substr(start, devargs.find(',', start) - start);
}

int on_removal(uint16_t, rte_eth_event_type, void* removed, void*) {
  static_cast<std::atomic<bool>*>(removed)->store(true, std::memory_order_relaxed);
  return 0;
}

std::string log_lines() {
  const std::string log = eal_log_tail();
  return log.empty() ? "" : "\n" + log;
}

[[noreturn]] void refuse_plug(const std::string& port, const std::string& devargs, int code) {
  const std::string message = "port " + port + ": no device for " + devargs + ": " + rte_strerror(-code) + log_lines();
  if (code == -EEXIST || code == -EBUSY) throw Error("ERR_FLATPROXY_IN_USE", message, "another port has this device");
  if (code == -EPERM || code == -EACCES) {
    throw Error("ERR_FLATPROXY_PERMISSION", message, "run as root, or with CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF");
  }
  if (code == -ENOMEM) {
    throw Error("ERR_FLATPROXY_RESOURCE", message, "provide hugepages (sysctl vm.nr_hugepages), raise `ulimit -l`");
  }
  throw Error("ERR_FLATPROXY_NOT_FOUND", message,
              "check the device and its arguments; `flatproxy doctor` lists the drivers that are built in. net_af_xdp "
              "needs libxdp1, CAP_NET_ADMIN, CAP_BPF and `ulimit -l unlimited`; a PCI NIC needs hugepages and vfio-pci "
              "(mlx5 aside)");
}

[[noreturn]] void refuse(const std::string& port, const std::string& doing, int code) {
  throw Error("ERR_FLATPROXY_SYSTEM",
              "port " + port + ": the device can't be " + doing + ": " + rte_strerror(-code) + log_lines(),
              "run `flatproxy doctor`");
}

}  // namespace

EthdevDevice::EthdevDevice(PortInfo& info, const std::string& devargs, unsigned lanes) : name_(info.name) {
  eal_start({.memory_mb = 256, .pci = is_pci(devargs)});
  const bool xdp = devargs.starts_with("net_af_xdp");
  for (unsigned attempt = 1;; ++attempt) {
    try {
      // Busy polling defers what would wake a sleeping lane.
      open(info, xdp ? add_argument(devargs, "busy_budget", "0") : devargs, lanes);
      return;
    } catch (const Error&) {
      // The kernel frees a queue some time after its last AF_XDP socket was closed.
      const bool again = xdp && plugged_ && attempt < kXdpAttempts;
      unplug();
      if (!again) throw;
    }
    std::this_thread::sleep_for(kXdpPause);
  }
}

void EthdevDevice::open(PortInfo& info, const std::string& devargs, unsigned lanes) {
  const std::vector<int> before = packet_sockets();
  plug(devargs);
  configure(info, lanes);
  pool_ = MbufPool::create(name_, kMbufs + kMbufsPerQueue * receive_queues_);
  start();
  find_wait_fds(before);
  monitor_interface(devargs);
}

EthdevDevice::~EthdevDevice() { unplug(); }

void EthdevDevice::plug(const std::string& devargs) {
  const int code = rte_dev_probe(devargs.c_str());
  if (code < 0) refuse_plug(name_, devargs, code);
  const std::string device = devargs.substr(0, devargs.find(','));
  if (rte_eth_dev_get_port_by_name(device.c_str(), &id_) != 0) {
    rte_dev_iterator iterator;
    id_ = RTE_MAX_ETHPORTS;
    uint16_t id;
    RTE_ETH_FOREACH_MATCHING_DEV(id, devargs.c_str(), &iterator) {
      if (id_ == RTE_MAX_ETHPORTS) id_ = id;
    }
    if (id_ == RTE_MAX_ETHPORTS) refuse_plug(name_, devargs, -ENODEV);
  }
  plugged_ = true;
}

void EthdevDevice::configure(PortInfo& info, unsigned lanes) {
  rte_eth_dev_info can;
  if (const int code = rte_eth_dev_info_get(id_, &can); code != 0) refuse(name_, "asked", code);
  receive_queues_ = std::min<unsigned>(lanes, std::max<unsigned>(can.max_rx_queues, 1));
  send_queues_ = std::min<unsigned>(lanes, std::max<unsigned>(can.max_tx_queues, 1));
  rte_eth_conf conf{};
  conf.rxmode.offloads = can.rx_offload_capa & (RTE_ETH_RX_OFFLOAD_CHECKSUM | RTE_ETH_RX_OFFLOAD_SCATTER);
  constexpr uint64_t kChecksums = RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
  chains_ = (can.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0;
  info.offloads.checksum = (can.tx_offload_capa & kChecksums) == kChecksums;
  const bool tso = info.offloads.checksum && chains_ && (can.tx_offload_capa & RTE_ETH_TX_OFFLOAD_TCP_TSO) != 0;
  info.offloads.tso4 = info.offloads.tso6 = tso;
  offloads_ = info.offloads.checksum;
  if (chains_) conf.txmode.offloads |= RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
  if (offloads_) conf.txmode.offloads |= kChecksums;
  if (tso) conf.txmode.offloads |= RTE_ETH_TX_OFFLOAD_TCP_TSO | (can.tx_offload_capa & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM);
  const bool lro = chains_ && (can.rx_offload_capa & RTE_ETH_RX_OFFLOAD_TCP_LRO) != 0;
  if (lro) {
    conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_TCP_LRO;
    conf.rxmode.max_lro_pkt_size = can.max_lro_pkt_size;
  }
  // A key of equal halves sends both directions of a flow to one queue (Woo, Park: Scalable TCP Session Monitoring
  // with Symmetric Receive-side Scaling, 2012).
  std::array<uint8_t, 128> key;
  for (size_t i = 0; i < key.size(); ++i) key[i] = i % 2 == 0 ? 0x6d : 0x5a;
  constexpr uint64_t kHashed = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP;
  if (receive_queues_ > 1 && (can.flow_type_rss_offloads & kHashed) != 0 && can.hash_key_size <= key.size()) {
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf.rx_adv_conf.rss_conf = {};
    conf.rx_adv_conf.rss_conf.rss_key = key.data();
    conf.rx_adv_conf.rss_conf.rss_key_len = can.hash_key_size;
    conf.rx_adv_conf.rss_conf.rss_hf = can.flow_type_rss_offloads & kHashed;
  }
  // Virtual drivers have no interrupts of their own, and no handle to keep one in.
  interrupts_ = is_pci(rte_dev_name(can.device));
  conf.intr_conf.rxq = interrupts_ ? 1 : 0;
  const auto receive = static_cast<uint16_t>(receive_queues_);
  const auto send = static_cast<uint16_t>(send_queues_);
  int code = rte_eth_dev_configure(id_, receive, send, &conf);
  if (code != 0 && interrupts_) {
    interrupts_ = false;
    conf.intr_conf.rxq = 0;
    code = rte_eth_dev_configure(id_, receive, send, &conf);
  }
  if (code != 0) refuse(name_, "configured", code);
}

void EthdevDevice::start() {
  uint16_t receive = kDescriptors;
  uint16_t send = kDescriptors;
  if (const int code = rte_eth_dev_adjust_nb_rx_tx_desc(id_, &receive, &send); code != 0) {
    refuse(name_, "given queues", code);
  }
  const auto socket = static_cast<unsigned>(SOCKET_ID_ANY);
  for (uint16_t i = 0; i < receive_queues_; ++i) {
    const int code = rte_eth_rx_queue_setup(id_, i, receive, socket, nullptr, pool_->mempool());
    if (code != 0) refuse(name_, "given a receive queue", code);
  }
  for (uint16_t i = 0; i < send_queues_; ++i) {
    const int code = rte_eth_tx_queue_setup(id_, i, send, socket, nullptr);
    if (code != 0) refuse(name_, "given a send queue", code);
  }
  rte_eth_dev_callback_register(id_, RTE_ETH_EVENT_INTR_RMV, on_removal, &removed_);
  if (const int code = rte_eth_dev_start(id_); code != 0) refuse(name_, "started", code);
  started_ = true;
  // The port owns its device, whatever address a frame is for. Not every virtual driver knows the difference.
  rte_eth_promiscuous_enable(id_);
}

// Interrupts by the driver's own interface; the sockets of net_af_packet and net_af_xdp, one for each queue in order,
// are those that the process did not have before.
void EthdevDevice::find_wait_fds(const std::vector<int>& before) {
  wait_fds_.assign(receive_queues_, -1);
  if (interrupts_) {
    for (unsigned i = 0; i < receive_queues_; ++i) {
      wait_fds_[i] = rte_eth_dev_rx_intr_ctl_q_get_fd(id_, static_cast<uint16_t>(i));
    }
    return;
  }
  const std::vector<int> now = packet_sockets();
  std::set_difference(now.begin(), now.end(), before.begin(), before.end(), std::back_inserter(sockets_));
  if (sockets_.size() >= receive_queues_) std::copy_n(sockets_.begin(), receive_queues_, wait_fds_.begin());
}

// The drivers say nothing of an interface that goes.
void EthdevDevice::monitor_interface(const std::string& devargs) {
  interface_ = interface_of(devargs);
  if (interface_.empty()) return;
  const auto link = Netlink().find_link(interface_);
  if (!link) refuse(name_, "watched", -ENODEV);
  monitor_.emplace(link->index, link->up);
}

void EthdevDevice::watch(Nanoseconds now) {
  if (now - watched_ < kWatchInterval) return;
  watched_ = now;
  if (monitor_->check() && monitor_->up()) revive_sockets();
}

// A packet socket whose interface was down says so, and seems readable, until its error is taken. Frames that could not
// be sent then stand in the rings: in the way of others, and net_af_packet would wait for them without end.
void EthdevDevice::revive_sockets() {
  for (const int fd : sockets_) {
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    for (unsigned i = 0; i < kKicks && sendto(fd, nullptr, 0, MSG_DONTWAIT, nullptr, 0) < 0 && errno == EAGAIN; ++i) {
    }
  }
}

std::string EthdevDevice::loss_reason() const {
  if (removed_.load(std::memory_order_relaxed)) return "the device was removed";
  return monitor_ && !monitor_->up() ? interface_ + ": " + monitor_->reason() : std::string();
}

void EthdevDevice::unplug() {
  if (!plugged_) return;
  monitor_.reset();
  rte_eth_dev_info known{};
  rte_eth_dev_info_get(id_, &known);
  rte_eth_dev_callback_unregister(id_, RTE_ETH_EVENT_INTR_RMV, on_removal, &removed_);
  if (started_) rte_eth_dev_stop(id_);
  rte_eth_dev_close(id_);
  if (known.device != nullptr) rte_dev_remove(known.device);
  // net_af_xdp of DPDK 22.11 leaves its sockets open, and with them the interface's queues taken.
  for (const int fd : std::exchange(sockets_, {})) {
    if (domain_of(fd) == AF_XDP) close(fd);
  }
  plugged_ = started_ = false;
}

}  // namespace flatproxy
