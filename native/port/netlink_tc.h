#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "port/netlink.h"

namespace flatproxy {

/// Which of an interface's two tc hooks.
enum class TcHook : uint8_t { ingress, egress };

/// A filter of kind bpf at a clsact hook.
struct TcFilter {
  TcHook hook = TcHook::ingress;
  uint32_t handle = 0;
  uint32_t info = 0;  ///< priority << 16 | protocol
  std::string name;
};

/// Best effort: takes the queueing discipline off an interface, whose driver then gets frames directly.
void remove_queueing(Netlink& netlink, uint32_t index);

/// Adds a clsact queueing discipline. False: there is one already.
bool add_clsact(Netlink& netlink, uint32_t index);
void remove_clsact(Netlink& netlink, uint32_t index);

/// Attaches a program of type BPF_PROG_TYPE_SCHED_CLS as a direct-action filter in front of the others.
void add_filter(Netlink& netlink, uint32_t index, TcHook hook, int program, const std::string& name);
void remove_filter(Netlink& netlink, uint32_t index, const TcFilter& filter);
/// All bpf filters of both hooks; empty when there is no clsact. Filters of other kinds have an empty name.
std::vector<TcFilter> filters(Netlink& netlink, uint32_t index);

}  // namespace flatproxy
