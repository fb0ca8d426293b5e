// Steers a kernel interface's frames to taps of ours, and what comes out of the taps back. Frames keep their length,
// segment size and unfinished checksums on the way.
//
//   the wire -> [wire_ingress] -> wire tap -> a lane -> wire tap [wire_tap_ingress] -> the wire, or a veth's other end
//   the node's stack -> [host_egress] -> host tap -> a lane -> host tap [host_tap_ingress] -> the node's stack
//
// When the lanes are gone (their heartbeat is older than the watchdog) the programs at the interface leave everything
// to the kernel, or drop it (block). TC_ACT_UNSPEC: the next program or filter decides, and after the last one the
// kernel.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/steer.h"
#include "bpf/steer_match.h"

const volatile struct steer_config config = {};

// CLOCK_MONOTONIC, ns; written through the process's own mapping of this map.
volatile __u64 heartbeat = 0;

// Nobody reads the host tap: the node's stack keeps its own way out, and learns its neighbours beside us.
volatile __u32 host_closed = 0;

// Held by the process alone: the kernel empties it when the process is gone, and the stubs fall through.
struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, __u32);
} programs SEC(".maps");

static __always_inline int alive(void) {
  return (__s64)(bpf_ktime_get_coarse_ns() - heartbeat) < (__s64)config.watchdog;
}

static __always_inline int without_lanes(void) { return config.block ? TC_ACT_SHOT : TC_ACT_UNSPEC; }

static __always_inline int leave_own(struct __sk_buff* skb) {
  skb->mark = 0;
  return TC_ACT_UNSPEC;
}

static __always_inline int neighbor_discovery(struct __sk_buff* skb) {
  if (skb->protocol == bpf_htons(ETH_P_ARP)) return 1;
  struct {
    struct ipv6hdr ip;
    __u8 type;
  } packet;
  if (skb->protocol != bpf_htons(ETH_P_IPV6)) return 0;
  if (bpf_skb_load_bytes(skb, ETH_HLEN, &packet, sizeof(struct ipv6hdr) + 1) < 0) return 0;
  return packet.ip.nexthdr == IPPROTO_ICMPV6 && (packet.type == 135 || packet.type == 136);
}

static __always_inline int match_all(struct __sk_buff* skb) {
  return host_closed && neighbor_discovery(skb) ? TAKE_COPY : TAKE_IT;
}

SEC("tc") int wire_ingress(struct __sk_buff* skb) {
  if (skb->mark == STEER_MARK) return leave_own(skb);
  const int take = config.matched ? match(skb) : match_all(skb);
  if (take == TAKE_NOT) return TC_ACT_UNSPEC;
  if (take == TAKE_COPY) {
    if (alive()) bpf_clone_redirect(skb, config.wire_tap, 0);
    return TC_ACT_UNSPEC;
  }
  return alive() ? bpf_redirect(config.wire_tap, 0) : without_lanes();
}

SEC("tc") int host_egress(struct __sk_buff* skb) {
  if (skb->mark == STEER_MARK) return leave_own(skb);
  if (!alive()) return without_lanes();
  return host_closed ? TC_ACT_UNSPEC : bpf_redirect(config.host_tap, 0);
}

static __always_inline int for_peer(struct __sk_buff* skb) {
  __u8 mac[ETH_ALEN];
  if (!config.to_peer || bpf_skb_load_bytes(skb, 0, mac, sizeof(mac)) < 0) return 0;
  for (int i = 0; i < ETH_ALEN; ++i) {
    if (mac[i] != config.peer_mac[i]) return 0;
  }
  return 1;
}

SEC("tc") int wire_tap_ingress(struct __sk_buff* skb) {
  // Without the interface's transmission and the queue of the other end's CPU, that is. Others than its own MAC are
  // left to the device to judge.
  if (for_peer(skb)) {
    bpf_skb_change_type(skb, PACKET_HOST);
    return bpf_redirect_peer(config.interface, 0);
  }
  if (!config.matched) skb->mark = STEER_MARK;
  return bpf_redirect(config.interface, 0);
}

SEC("tc") int host_tap_ingress(struct __sk_buff* skb) {
  skb->mark = STEER_MARK;
  return bpf_redirect(config.interface, BPF_F_INGRESS);
}

// What clsact holds: filters outlive their process, and these then do nothing.
SEC("tc") int stub_ingress(struct __sk_buff* skb) {
  bpf_tail_call(skb, &programs, 0);
  return TC_ACT_UNSPEC;
}

SEC("tc") int stub_egress(struct __sk_buff* skb) {
  bpf_tail_call(skb, &programs, 1);
  return TC_ACT_UNSPEC;
}

char license_text[] SEC("license") = "Dual BSD/GPL";
