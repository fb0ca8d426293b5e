// take: 'matched': which of an interface's received frames are claimed. Included by steer.bpf.c only.
#pragma once

enum take { TAKE_NOT, TAKE_IT, TAKE_COPY };

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 65536);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct steer_address);
  __type(value, __u32);
} addresses SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 65536);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct steer_claim);
  __type(value, __u32);
} claims SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1 << 20);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct steer_tuple);
  __type(value, __u32);
} replies SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 4096);
  __type(key, struct steer_datagram);
  __type(value, __u32);
} datagrams SEC(".maps");

// What is known of a packet while it is matched.
struct packet {
  struct steer_tuple tuple;
  __u32 l4;  // offset
  __u32 fragment_id;
  __u32 address_flags;   // of the destination
  __u8 address_claimed;  // something is claimed at the destination
  __u8 fragment;         // any, the first one included
  __u8 later_fragment;
};

static __always_inline void set_v4(struct steer_address* to, __u32 address) {
  __builtin_memset(to, 0, 10);
  to->bytes[10] = to->bytes[11] = 0xff;
  __builtin_memcpy(to->bytes + 12, &address, 4);
}

static __always_inline __u32 flags_of(const struct steer_address* address, __u8* found) {
  const __u32* flags = bpf_map_lookup_elem(&addresses, address);
  *found = flags != 0;
  return flags ? *flags : 0;
}

static __always_inline int is_reply(const struct steer_tuple* tuple) {
  return bpf_map_lookup_elem(&replies, tuple) != 0;
}

// Requests for what only we answer; answers go to the kernel and to us, since both may have asked.
static __always_inline int match_arp(struct __sk_buff* skb) {
  struct {
    __u16 hardware, protocol;
    __u8 lengths[2];
    __u16 operation;
    __u8 sender[10], target_mac[6], target[4];
  } __attribute__((packed)) arp;
  if (bpf_skb_load_bytes(skb, ETH_HLEN, &arp, sizeof(arp)) < 0) return TAKE_NOT;
  if (arp.protocol != bpf_htons(ETH_P_IP) || arp.lengths[0] != 6 || arp.lengths[1] != 4) return TAKE_NOT;
  if (arp.operation == bpf_htons(2)) return TAKE_COPY;
  struct steer_address target;
  __u32 address;
  __builtin_memcpy(&address, arp.target, 4);
  set_v4(&target, address);
  __u8 found;
  return flags_of(&target, &found) & STEER_NEIGHBOR ? TAKE_IT : TAKE_NOT;
}

// The packet inside an ICMP error is one that we sent: its reply is claimed.
static __always_inline int match_embedded(struct __sk_buff* skb, __u32 at, int v6) {
  struct steer_tuple reply = {};
  if (v6) {
    struct ipv6hdr ip;
    if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)) < 0) return TAKE_NOT;
    __builtin_memcpy(&reply.source, &ip.daddr, 16);
    __builtin_memcpy(&reply.destination, &ip.saddr, 16);
    reply.protocol = ip.nexthdr;
    at += sizeof(ip);
  } else {
    struct iphdr ip;
    if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)) < 0) return TAKE_NOT;
    set_v4(&reply.source, ip.daddr);
    set_v4(&reply.destination, ip.saddr);
    reply.protocol = ip.protocol;
    at += ip.ihl * 4;
  }
  const int echo = reply.protocol == IPPROTO_ICMP || reply.protocol == IPPROTO_ICMPV6;
  __u16 ports[2];
  if (bpf_skb_load_bytes(skb, echo ? at + 4 : at, ports, sizeof(ports)) < 0) return TAKE_NOT;
  reply.source_port = echo ? ports[0] : ports[1];
  reply.destination_port = ports[0];
  return is_reply(&reply) ? TAKE_IT : TAKE_NOT;
}

static __always_inline int match_icmp(struct __sk_buff* skb, struct packet* p, int v6) {
  struct {
    __u8 type, code;
    __u16 checksum, id, sequence;
  } icmp;
  if (bpf_skb_load_bytes(skb, p->l4, &icmp, sizeof(icmp)) < 0) return TAKE_NOT;
  if (v6 && icmp.type == 136) return TAKE_COPY;  // neighbor advertisement
  if (v6 && icmp.type == 135) {                  // neighbor solicitation
    struct steer_address target;
    if (bpf_skb_load_bytes(skb, p->l4 + sizeof(icmp), &target, sizeof(target)) < 0) return TAKE_NOT;
    __u8 found;
    return flags_of(&target, &found) & STEER_NEIGHBOR ? TAKE_IT : TAKE_NOT;
  }
  const int error =
      v6 ? icmp.type < 128 : icmp.type == 3 || icmp.type == 4 || icmp.type == 5 || icmp.type == 11 || icmp.type == 12;
  if (error) return p->address_claimed ? TAKE_IT : match_embedded(skb, p->l4 + sizeof(icmp), v6);
  p->tuple.source_port = p->tuple.destination_port = icmp.id;
  return is_reply(&p->tuple) ? TAKE_IT : TAKE_NOT;
}

static __always_inline int match_ports(struct __sk_buff* skb, struct packet* p) {
  if (p->tuple.protocol != IPPROTO_TCP && p->tuple.protocol != IPPROTO_UDP) return TAKE_NOT;
  __u16 ports[2];
  if (bpf_skb_load_bytes(skb, p->l4, ports, sizeof(ports)) < 0) return TAKE_NOT;
  p->tuple.source_port = ports[0];
  p->tuple.destination_port = ports[1];
  if (p->address_claimed) {
    struct steer_claim claim = {.address = p->tuple.destination, .port = ports[1], .protocol = p->tuple.protocol};
    if (bpf_map_lookup_elem(&claims, &claim)) return TAKE_IT;
  }
  return is_reply(&p->tuple) ? TAKE_IT : TAKE_NOT;
}

// Fragments of a claimed address are all taken; those of a claimed reply follow their first one.
static __always_inline int match_packet(struct __sk_buff* skb, struct packet* p, int v6) {
  p->address_flags = flags_of(&p->tuple.destination, &p->address_claimed);
  if (p->address_flags & STEER_ALL) return TAKE_IT;
  if (p->fragment && p->address_claimed) return TAKE_IT;
  struct steer_datagram datagram = {.source = p->tuple.source,
                                    .destination = p->tuple.destination,
                                    .id = p->fragment_id,
                                    .protocol = p->tuple.protocol};
  if (p->later_fragment) return bpf_map_lookup_elem(&datagrams, &datagram) ? TAKE_IT : TAKE_NOT;
  const int icmp = p->tuple.protocol == (v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
  const int take = icmp ? match_icmp(skb, p, v6) : match_ports(skb, p);
  if (p->fragment && take == TAKE_IT) {
    const __u32 one = 1;
    bpf_map_update_elem(&datagrams, &datagram, &one, BPF_ANY);
  }
  return take;
}

static __always_inline int match_v4(struct __sk_buff* skb) {
  struct iphdr ip;
  if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) < 0 || ip.ihl < 5) return TAKE_NOT;
  struct packet p = {};
  set_v4(&p.tuple.source, ip.saddr);
  set_v4(&p.tuple.destination, ip.daddr);
  p.tuple.protocol = ip.protocol;
  p.l4 = ETH_HLEN + ip.ihl * 4;
  p.fragment = (ip.frag_off & bpf_htons(0x3fff)) != 0;
  p.later_fragment = (ip.frag_off & bpf_htons(0x1fff)) != 0;
  p.fragment_id = ip.id;
  return match_packet(skb, &p, 0);
}

static __always_inline int match_v6(struct __sk_buff* skb) {
  struct ipv6hdr ip;
  if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) < 0) return TAKE_NOT;
  struct packet p = {};
  __builtin_memcpy(&p.tuple.source, &ip.saddr, 16);
  __builtin_memcpy(&p.tuple.destination, &ip.daddr, 16);
  __u8 next = ip.nexthdr;
  p.l4 = ETH_HLEN + sizeof(ip);
#pragma unroll
  for (int i = 0; i < 5; ++i) {
    if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS && next != IPPROTO_FRAGMENT)
      break;
    struct {
      __u8 next, length;
      __u16 offset;
      __u32 id;
    } extension;
    if (bpf_skb_load_bytes(skb, p.l4, &extension, sizeof(extension)) < 0) return TAKE_NOT;
    if (next == IPPROTO_FRAGMENT) {
      p.fragment = (extension.offset & bpf_htons(0xfff9)) != 0;
      p.later_fragment = (extension.offset & bpf_htons(0xfff8)) != 0;
      p.fragment_id = extension.id;
      p.l4 += 8;
    } else {
      p.l4 += (extension.length + 1) * 8;
    }
    next = extension.next;
    if (p.later_fragment) break;
  }
  p.tuple.protocol = next;
  return match_packet(skb, &p, 1);
}

static __always_inline int match(struct __sk_buff* skb) {
  // Frames for other hosts (a bridge's, a promiscuous interface's) and other VLANs are not this interface's own.
  if (skb->pkt_type == PACKET_OTHERHOST || skb->vlan_present) return TAKE_NOT;
  if (skb->protocol == bpf_htons(ETH_P_IP)) return match_v4(skb);
  if (skb->protocol == bpf_htons(ETH_P_IPV6)) return match_v6(skb);
  return skb->protocol == bpf_htons(ETH_P_ARP) ? match_arp(skb) : TAKE_NOT;
}
