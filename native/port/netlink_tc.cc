#include "port/netlink_tc.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include <cerrno>

#include "port/system_error.h"

namespace flatproxy {
namespace {

constexpr uint32_t kPriority = 1;

tcmsg message(uint32_t index, uint32_t parent) {
  tcmsg body{};
  body.tcm_family = AF_UNSPEC;
  body.tcm_ifindex = static_cast<int>(index);
  body.tcm_parent = parent;
  return body;
}

uint32_t parent_of(TcHook hook) {
  return TC_H_MAKE(TC_H_CLSACT, hook == TcHook::ingress ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS);
}

tcmsg clsact(uint32_t index) {
  tcmsg body = message(index, TC_H_CLSACT);
  body.tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
  return body;
}

}  // namespace

void remove_queueing(Netlink& netlink, uint32_t index) {
  NetlinkRequest request(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, message(index, TC_H_ROOT));
  request.attribute(TCA_KIND, std::string("noqueue"));
  netlink.transact(request);
}

bool add_clsact(Netlink& netlink, uint32_t index) {
  NetlinkRequest request(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, clsact(index));
  request.attribute(TCA_KIND, std::string("clsact"));
  const int error = netlink.transact(request);
  if (error == EEXIST) return false;
  if (error == ENOENT) {
    throw Error("ERR_FLATPROXY_UNSUPPORTED", "the kernel has no clsact queueing discipline",
                "load the module sch_ingress (CONFIG_NET_SCH_INGRESS)");
  }
  if (error != 0) throw system_error("add a clsact queueing discipline", error);
  return true;
}

void remove_clsact(Netlink& netlink, uint32_t index) {
  NetlinkRequest request(RTM_DELQDISC, 0, clsact(index));
  netlink.transact(request);
}

void add_filter(Netlink& netlink, uint32_t index, TcHook hook, int program, const std::string& name) {
  tcmsg body = message(index, parent_of(hook));
  body.tcm_info = TC_H_MAKE(kPriority << 16, htons(ETH_P_ALL));
  NetlinkRequest request(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, body);
  request.attribute(TCA_KIND, std::string("bpf"));
  const size_t options = request.open(TCA_OPTIONS);
  request.attribute(TCA_BPF_FD, static_cast<uint32_t>(program));
  request.attribute(TCA_BPF_NAME, name);
  request.attribute(TCA_BPF_FLAGS, uint32_t{TCA_BPF_FLAG_ACT_DIRECT});
  request.close(options);
  const int error = netlink.transact(request);
  if (error == ENOENT) {
    throw Error("ERR_FLATPROXY_UNSUPPORTED", "the kernel has no bpf classifier",
                "load the module cls_bpf (CONFIG_NET_CLS_BPF)");
  }
  if (error != 0) throw system_error("attach a tc filter", error, "CAP_NET_ADMIN and CAP_BPF");
}

void remove_filter(Netlink& netlink, uint32_t index, const TcFilter& filter) {
  tcmsg body = message(index, parent_of(filter.hook));
  body.tcm_handle = filter.handle;
  body.tcm_info = filter.info;
  NetlinkRequest request(RTM_DELTFILTER, 0, body);
  request.attribute(TCA_KIND, std::string("bpf"));
  const int error = netlink.transact(request);
  if (error != 0 && error != ENOENT && error != EINVAL) throw system_error("remove a tc filter", error);
}

std::vector<TcFilter> filters(Netlink& netlink, uint32_t index) {
  std::vector<TcFilter> found;
  for (const TcHook hook : {TcHook::ingress, TcHook::egress}) {
    NetlinkRequest request(RTM_GETTFILTER, NLM_F_DUMP, message(index, parent_of(hook)));
    netlink.dump(request, [&](const nlmsghdr* answer) {
      if (answer->nlmsg_len < NLMSG_LENGTH(sizeof(tcmsg))) return;
      const auto* body = static_cast<const tcmsg*>(NLMSG_DATA(answer));
      if (body->tcm_handle == 0) return;  // the priority's own entry
      const auto options = find_attribute(answer, sizeof(tcmsg), TCA_OPTIONS);
      const bool bpf = find_attribute(answer, sizeof(tcmsg), TCA_KIND).text() == "bpf";
      const std::string name = bpf ? find_attribute(options, TCA_BPF_NAME).text() : std::string();
      found.push_back({hook, body->tcm_handle, body->tcm_info, name});
    });
  }
  return found;
}

}  // namespace flatproxy
