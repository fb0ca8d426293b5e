#include "port/iface.h"

#include <algorithm>

#include "port/iface_session.h"
#include "port/local_mac.h"
#include "port/tap_queue.h"

namespace flatproxy {
namespace {

class IfaceQueue final : public TapQueue {
 public:
  IfaceQueue(int fd, IfaceSession& session, unsigned lane, bool beats)
      : TapQueue(fd), session_(session), lane_(lane), beats_(beats) {}
  void beat(Nanoseconds now) override {
    if (beats_) session_.beat(lane_, now);
  }
  bool wants_heartbeat() const override { return beats_; }
  bool up() const override { return !lost() && session_.monitor().up(); }

 private:
  IfaceSession& session_;
  unsigned lane_;
  bool beats_;
};

class IfacePort final : public Port {
 public:
  IfacePort(PortInfo info, std::shared_ptr<IfaceSession> session, const TapDevice& tap, bool beats)
      : Port(std::move(info)), session_(std::move(session)), tap_(tap) {
    for (unsigned lane = 0; lane < tap.queues.size(); ++lane) {
      queues_.push_back(std::make_unique<IfaceQueue>(tap.queues[lane].get(), *session_, lane, beats));
    }
  }
  ~IfacePort() override {
    if (&tap_ == &session_->host_tap()) session_->close_host();
  }
  PortQueue& queue(unsigned lane) override { return *queues_[lane]; }
  bool wants_claims() const override { return session_->claims() != nullptr; }
  bool claim(const Tuple& reply) override { return session_->claims()->claim(reply); }
  void unclaim(const Tuple& reply) override { session_->claims()->unclaim(reply); }
  std::string loss_reason() const override {
    if (!session_->monitor().up()) return session_->interface() + ": " + session_->monitor().reason();
    const bool lost = std::any_of(queues_.begin(), queues_.end(), [](const auto& queue) { return queue->lost(); });
    return lost ? session_->interface() + ": the steering tap was deleted" : std::string();
  }

 private:
  std::shared_ptr<IfaceSession> session_;
  const TapDevice& tap_;
  std::vector<std::unique_ptr<IfaceQueue>> queues_;
};

PortInfo describe(PortInfo info, const LinkInfo& link, const wire::Mac& mac) {
  info.mac = mac;
  info.mtu = static_cast<uint16_t>(std::min<uint32_t>(link.mtu, 65535));
  info.offloads = {.checksum = true, .tso4 = true, .tso6 = true};
  return info;
}

}  // namespace

IfacePorts open_iface(const PortInfo& wire, const PortInfo& host, const IfaceConfig& config, unsigned lanes) {
  const auto session = std::make_shared<IfaceSession>(config, lanes);
  const LinkInfo& link = session->link();
  IfacePorts ports;
  ports.wire = std::make_shared<IfacePort>(describe(wire, link, link.mac), session, session->wire_tap(), true);
  if (config.take == Take::all) {
    const wire::Mac mac = session->peer() ? session->peer()->mac : local_mac(link.name + "/host");
    PortInfo host_info = describe(host, link, mac);
    host_info.takes_any_mac = true;
    host_info.only_peer = link.mac;
    ports.host = std::make_shared<IfacePort>(host_info, session, session->host_tap(), false);
  }
  ports.claims = session->claims();
  ports.kernel_addresses = session->kernel_addresses();
  return ports;
}

}  // namespace flatproxy
