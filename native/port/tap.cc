#include "port/tap.h"

#include "port/local_mac.h"
#include "port/netlink.h"
#include "port/netlink_tc.h"
#include "port/netns.h"
#include "port/tap_device.h"
#include "port/tap_queue.h"

namespace flatproxy {
namespace {

class TapPort final : public Port {
 public:
  TapPort(PortInfo info, TapDevice device) : Port(std::move(info)), device_(std::move(device)) {
    for (const Fd& fd : device_.queues) queues_.push_back(std::make_unique<TapQueue>(fd.get()));
  }
  PortQueue& queue(unsigned lane) override { return *queues_[lane]; }
  std::string loss_reason() const override {
    for (const auto& queue : queues_) {
      if (queue->lost()) return "tap device '" + device_.name + "' was deleted";
    }
    return {};
  }

 private:
  TapDevice device_;
  std::vector<std::unique_ptr<TapQueue>> queues_;
};

TapDevice create(const TapConfig& config, unsigned lanes) {
  TapDevice device = TapDevice::create(config.name, lanes);
  Netlink netlink;
  netlink.set_link(device.index, {.mac = local_mac(config.netns + "/" + device.name + "/kernel"), .mtu = config.mtu});
  // The device's own ring is the queue: a queueing discipline before it only costs time.
  remove_queueing(netlink, device.index);
  for (const auto& address : config.addresses) netlink.add_address(device.index, address);
  netlink.set_link(device.index, {.up = true});
  for (const auto& route : config.routes) netlink.add_route(device.index, route.to, route.via);
  return device;
}

}  // namespace

std::shared_ptr<Port> open_tap(PortInfo base, const TapConfig& config, unsigned lanes) {
  TapDevice device;
  in_netns(config.netns, [&] { device = create(config, lanes); });
  base.mac = local_mac(config.netns + "/" + device.name);
  base.mtu = config.mtu;
  base.offloads = {.checksum = true, .tso4 = true, .tso6 = true};
  return std::make_shared<TapPort>(std::move(base), std::move(device));
}

}  // namespace flatproxy
