#include "port/iface_attach.h"

#include <algorithm>
#include <cerrno>

#include "port/bpf_call.h"
#include "port/bpf_pins.h"
#include "port/system_error.h"

namespace flatproxy {
namespace {

// A filter's name tells the next start whose it is, and whether the clsact under it was made for it.
constexpr std::string_view kOurs = "flatproxy-";
constexpr std::string_view kMadeClsact = "-clsact";

const char* name_of(TcHook hook) { return hook == TcHook::ingress ? "ingress" : "egress"; }

bool made_clsact(const TcFilter& filter) { return filter.name.ends_with(kMadeClsact); }

}  // namespace

Attachment::Attachment(Netlink& netlink, const LinkInfo& link, const std::vector<HookProgram>& programs,
                       AttachMode mode, bool block)
    : netlink_(netlink), link_(link), block_(block) {
  const bool try_tcx = mode == AttachMode::tcx || (mode == AttachMode::automatic && (!block || bpffs_mounted()));
  if (try_tcx && attach_tcx(programs, block)) return;
  if (mode == AttachMode::tcx) {
    throw Error("ERR_FLATPROXY_UNSUPPORTED", "the kernel has no tcx links", "use kernel 6.6 or newer, or clsact");
  }
  attach_clsact(programs, block);
}

Attachment::~Attachment() {
  links_.clear();
  if (!filters_ || block_) return;
  try {
    remove_leftovers(netlink_, link_.index, {find_leftovers(netlink_, link_.index).filters, {}});
  } catch (const Error&) {
    // The interface is gone, and its filters with it.
  }
}

bool Attachment::attach_tcx(const std::vector<HookProgram>& programs, bool block) {
  for (const HookProgram& p : programs) {
    const uint32_t type = p.hook == TcHook::ingress ? kTcxIngress : kTcxEgress;
    const int error = bpf_link_create(p.program, link_.index, type, &links_.emplace_back());
    if (error == EINVAL) {
      links_.clear();
      return false;
    }
    if (error != 0) throw system_error("attach to interface '" + link_.name + "'", error, "CAP_NET_ADMIN and CAP_BPF");
  }
  if (block) {
    for (size_t i = 0; i < programs.size(); ++i) pin(links_[i].get(), link_.index, name_of(programs[i].hook));
  }
  return true;
}

void Attachment::attach_clsact(const std::vector<HookProgram>& programs, bool block) {
  bool made = add_clsact(netlink_, link_.index);
  for (const TcFilter& filter : filters(netlink_, link_.index)) made |= made_clsact(filter);
  filters_ = true;
  for (const HookProgram& p : programs) {
    std::string name = std::string(kOurs) + (block ? "block-" : "") + name_of(p.hook);
    if (made) name += kMadeClsact;
    add_filter(netlink_, link_.index, p.hook, block || p.stub < 0 ? p.program : p.stub, name);
  }
}

Leftovers find_leftovers(Netlink& netlink, uint32_t index) {
  Leftovers found;
  for (const TcFilter& filter : filters(netlink, index)) {
    if (filter.name.starts_with(kOurs)) found.filters.push_back(filter);
  }
  found.pins = pins_of(index);
  return found;
}

size_t remove_leftovers(Netlink& netlink, uint32_t index, const Leftovers& leftovers) {
  for (const TcFilter& filter : leftovers.filters) remove_filter(netlink, index, filter);
  for (const std::string& path : leftovers.pins) unpin(path);
  const bool made = std::any_of(leftovers.filters.begin(), leftovers.filters.end(), made_clsact);
  if (made && filters(netlink, index).empty()) remove_clsact(netlink, index);
  return leftovers.filters.size() + leftovers.pins.size();
}

}  // namespace flatproxy
