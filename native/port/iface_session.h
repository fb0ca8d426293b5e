#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "port/iface.h"
#include "port/iface_attach.h"
#include "port/link_monitor.h"
#include "port/steer_load.h"
#include "port/tap_device.h"

namespace flatproxy {

/// Everything that an interface's ports hold together: the lock, taps, programs and their attachment.
class IfaceSession {
 public:
  static constexpr unsigned kMaxLanes = 64;

  IfaceSession(const IfaceConfig& config, unsigned lanes);
  ~IfaceSession();

  const LinkInfo& link() const { return link_; }
  const std::string& interface() const { return link_.name; }
  TapDevice& wire_tap() { return wire_tap_; }
  TapDevice& host_tap() { return host_tap_; }
  IfaceClaims* claims() { return claims_ ? &*claims_ : nullptr; }
  std::vector<wire::Prefix> kernel_addresses() { return netlink_.addresses(link_.index); }
  const std::optional<LinkInfo>& peer() const { return peer_; }
  const LinkMonitor& monitor() const { return *monitor_; }

  /// The host port is gone: what the node's stack sends leaves by the interface itself.
  void close_host() { std::atomic_ref<__u32>(const_cast<__u32&>(*programs_.host_closed)).store(1); }

  /// From each lane's thread. The programs see the oldest of the lanes' last beats.
  void beat(unsigned lane, Nanoseconds now);

 private:
  static constexpr Nanoseconds kCheckInterval = 50'000'000;
  struct alignas(64) Beat {
    std::atomic<Nanoseconds> last{0};
  };

  TapDevice create_tap(const LinkInfo& link);
  bool reaches_peer() const;
  void load(const IfaceConfig& config);
  void attach(const IfaceConfig& config);

  Netlink netlink_;
  LinkInfo link_;
  std::optional<LinkInfo> peer_;  // a veth's other end, in its own network namespace
  Fd lock_;
  Fd multicast_;
  unsigned lanes_;
  TapDevice wire_tap_;
  TapDevice host_tap_;
  steer_loaded programs_{};
  std::optional<IfaceClaims> claims_;
  std::vector<std::unique_ptr<Attachment>> attachments_;
  std::optional<LinkMonitor> monitor_;
  Nanoseconds checked_ = 0;
  std::array<Beat, kMaxLanes> beats_;
};

}  // namespace flatproxy
