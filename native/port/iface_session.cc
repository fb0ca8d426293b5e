#include "port/iface_session.h"

#include <linux/if_packet.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <fstream>

#include "port/bpf_call.h"
#include "port/bpf_pins.h"
#include "port/iface_lock.h"
#include "port/local_mac.h"
#include "port/system_error.h"

namespace flatproxy {
namespace {

constexpr uint32_t kMaxTapMtu = 65521;

LinkInfo find(Netlink& netlink, const std::string& name) {
  const auto link = netlink.find_link(name);
  if (link) return *link;
  throw Error("ERR_FLATPROXY_NOT_FOUND", "no interface '" + name + "' in this network namespace",
              "ip link shows those that there are");
}

std::optional<LinkInfo> find_peer(Netlink& netlink, const LinkInfo& link) {
  if (!link.peer || !link.peer_nsid) return std::nullopt;
  return netlink.find_link(*link.peer, *link.peer_nsid);
}

// Neighbour solicitations for addresses that are not the kernel's go to multicast groups that it has not joined. Needs
// CAP_NET_RAW, and only interfaces that filter by themselves need it: without it there is none. Goes with the process.
Fd receive_all_multicast(uint32_t index) {
  Fd fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  packet_mreq request{};
  request.mr_ifindex = static_cast<int>(index);
  request.mr_type = PACKET_MR_ALLMULTI;
  if (fd) setsockopt(fd.get(), SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof(request));
  return fd;
}

[[noreturn]] void throw_load_error(int error, const std::string& log) {
  if (error == EPERM || error == EACCES) {
    if (log.empty()) {
      throw Error("ERR_FLATPROXY_PERMISSION", "may not load eBPF programs (needs CAP_BPF and CAP_NET_ADMIN)",
                  "run as root or with these capabilities; in an unprivileged user namespace use tap ports");
    }
  }
  const std::string details = log.empty() ? strerror(error) : "the verifier says:\n" + log;
  throw Error("ERR_FLATPROXY_UNSUPPORTED", "the kernel refuses the steering programs: " + details,
              "use kernel 5.15 or newer with CONFIG_BPF_SYSCALL and CONFIG_BPF_JIT, or a tap port");
}

}  // namespace

// Down, silent and known to nobody: the kernel would otherwise speak into a new interface by itself.
TapDevice IfaceSession::create_tap(const LinkInfo& link) {
  TapDevice tap = TapDevice::create("flatp%d", lanes_);
  netlink_.set_link(
      tap.index, {.mac = local_mac(link.name + "/" + tap.name), .mtu = std::min(link.mtu, kMaxTapMtu), .quiet = true});
  // Where /proc/sys cannot be written, not to have a link-local address must do.
  std::ofstream("/proc/sys/net/ipv6/conf/" + tap.name + "/disable_ipv6") << "1";
  remove_queueing(netlink_, tap.index);
  return tap;
}

bool IfaceSession::reaches_peer() const { return link_.qdisc == "noqueue" && peer_ && !peer_->xdp; }

void IfaceSession::load(const IfaceConfig& config) {
  steer_config constants{};
  constants.watchdog = config.watchdog;
  constants.interface = link_.index;
  constants.wire_tap = wire_tap_.index;
  constants.host_tap = host_tap_.index;
  constants.matched = config.take == Take::matched;
  constants.block = config.on_exit == OnExit::block;
  constants.to_peer = config.delivery == Delivery::peer && reaches_peer();
  if (peer_) std::copy(peer_->mac.bytes.begin(), peer_->mac.bytes.end(), constants.peer_mac);
  if (steer_load(&programs_, &constants, config.replies, nullptr, 0) == 0) return;
  std::string log(1 << 22, '\0');  // the log costs time, and may itself not fit: only for the second try
  const int error = -steer_load(&programs_, &constants, config.replies, log.data(), log.size());
  if (error == 0) return;
  log.resize(strnlen(log.data(), log.size()));
  throw_load_error(error, log);
}

void IfaceSession::attach(const IfaceConfig& config) {
  const bool all = config.take == Take::all;
  const auto add = [&](const LinkInfo& link, const std::vector<HookProgram>& programs, bool block) {
    attachments_.push_back(std::make_unique<Attachment>(netlink_, link, programs, config.attach, block));
  };
  LinkInfo tap;
  const auto open_tap_hook = [&](const TapDevice& device, int program) {
    tap.index = device.index;
    tap.name = device.name;
    add(tap, {{TcHook::ingress, program}}, false);
    netlink_.set_link(device.index, {.up = true});
  };
  open_tap_hook(wire_tap_, programs_.wire_tap_ingress);
  if (all) open_tap_hook(host_tap_, programs_.host_tap_ingress);

  for (const uint32_t slot : {0u, 1u}) {
    const int program = slot == 0 ? programs_.wire_ingress : programs_.host_egress;
    const int error = bpf_map_update(programs_.programs, &slot, &program);
    if (error != 0) throw system_error("fill a program array", error, "CAP_BPF");
  }
  std::vector<HookProgram> hooks{{TcHook::ingress, programs_.wire_ingress, programs_.stub_ingress}};
  if (all) hooks.push_back({TcHook::egress, programs_.host_egress, programs_.stub_egress});
  // First the new programs, then away with a dead process's: a block has no gap.
  const Leftovers leftovers = find_leftovers(netlink_, link_.index);
  add(link_, hooks, config.on_exit == OnExit::block);
  remove_leftovers(netlink_, link_.index, leftovers);
  unpin_orphans();
}

IfaceSession::IfaceSession(const IfaceConfig& config, unsigned lanes)
    : link_(find(netlink_, config.interface)),
      peer_(find_peer(netlink_, link_)),
      lock_(lock_interface(link_.name, link_.index)),
      lanes_(lanes) {
  if (lanes == 0 || lanes > kMaxLanes)
    throw Error("ERR_FLATPROXY_CONFIG", "an interface takes 1 to 64 lanes", "use fewer lanes");
  multicast_ = receive_all_multicast(link_.index);
  wire_tap_ = create_tap(link_);
  if (config.take == Take::all) host_tap_ = create_tap(link_);
  try {
    load(config);
    if (config.take == Take::matched) claims_.emplace(programs_, netlink_);
    monitor_.emplace(link_.index, link_.up);
    attach(config);
  } catch (...) {
    attachments_.clear();
    steer_unload(&programs_);
    throw;
  }
}

IfaceSession::~IfaceSession() {
  std::atomic_ref<__u64>(const_cast<__u64&>(*programs_.heartbeat)).store(0, std::memory_order_relaxed);
  while (!attachments_.empty()) attachments_.pop_back();  // the interface's own, added last, goes first
  steer_unload(&programs_);
}

void IfaceSession::beat(unsigned lane, Nanoseconds now) {
  beats_[lane].last.store(now, std::memory_order_relaxed);
  Nanoseconds oldest = now;
  for (unsigned i = 0; i < lanes_; ++i) oldest = std::min(oldest, beats_[i].last.load(std::memory_order_relaxed));
  std::atomic_ref<__u64>(const_cast<__u64&>(*programs_.heartbeat)).store(oldest, std::memory_order_relaxed);
  if (lane != 0 || now - checked_ < kCheckInterval) return;
  checked_ = now;
  monitor_->check();
}

}  // namespace flatproxy
