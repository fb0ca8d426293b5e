// An eBPF splice: the floor for connections that the kernel tier carries. On tc ingress it rewrites addresses, ports
// and, by constant distances as between two connections that were terminated, sequence and acknowledgement numbers.
// Compiled for one town: SERVER (IPv4 in network order), SERVER_PORT, CLIENT_SIDE, SERVER_SIDE (ifindex), and the MACs
// of both frames' new heads as initialisers: TO_SERVER, TO_CLIENT.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
// In this order: the helpers need the types.
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum { kIp = ETH_HLEN, kTcp = kIp + sizeof(struct iphdr), kVirtualPort = 80 };

struct tuple {
  __be32 source, destination;
  __be16 source_port, destination_port;
};

struct rewrite {
  struct tuple tuple;
  __u32 sequence, acknowledgement;  // distances
  __u32 exit;                       // ifindex
  __u8 macs[12];
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1 << 20);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct tuple);
  __type(value, struct rewrite);
} flows SEC(".maps");

static __always_inline int carry(struct __sk_buff* frame, const struct tuple* was, const struct rewrite* to) {
  struct tcphdr* tcp = (void*)(long)frame->data + kTcp;
  if ((void*)(tcp + 1) > (void*)(long)frame->data_end) return TC_ACT_OK;
  const struct tuple* is = &to->tuple;
  const __be32 sequence = tcp->seq, acknowledgement = tcp->ack_seq;
  struct {
    __be16 source, destination;
    __be32 sequence, acknowledgement;
  } head = {is->source_port, is->destination_port, bpf_htonl(bpf_ntohl(sequence) + to->sequence),
            bpf_htonl(bpf_ntohl(acknowledgement) + to->acknowledgement)};
  const __u32 sum = kTcp + 16, ip_sum = kIp + 10;
  bpf_l4_csum_replace(frame, sum, was->source, is->source, 4 | BPF_F_PSEUDO_HDR);
  bpf_l4_csum_replace(frame, sum, was->destination, is->destination, 4 | BPF_F_PSEUDO_HDR);
  bpf_l4_csum_replace(frame, sum, was->source_port, is->source_port, 2);
  bpf_l4_csum_replace(frame, sum, was->destination_port, is->destination_port, 2);
  bpf_l4_csum_replace(frame, sum, sequence, head.sequence, 4);
  bpf_l4_csum_replace(frame, sum, acknowledgement, head.acknowledgement, 4);
  bpf_l3_csum_replace(frame, ip_sum, was->source, is->source, 4);
  bpf_l3_csum_replace(frame, ip_sum, was->destination, is->destination, 4);
  bpf_skb_store_bytes(frame, kIp + 12, is, 8, 0);
  bpf_skb_store_bytes(frame, kTcp, &head, sizeof head, 0);
  bpf_skb_store_bytes(frame, 0, to->macs, sizeof to->macs, 0);
  return bpf_redirect(to->exit, 0);
}

static __always_inline int parse(struct __sk_buff* frame, struct tuple* tuple) {
  if (bpf_skb_pull_data(frame, kTcp + sizeof(struct tcphdr))) return 0;
  void* data = (void*)(long)frame->data;
  const struct ethhdr* ethernet = data;
  const struct iphdr* ip = data + kIp;
  const struct tcphdr* tcp = data + kTcp;
  if ((void*)(tcp + 1) > (void*)(long)frame->data_end) return 0;
  if (ethernet->h_proto != bpf_htons(ETH_P_IP) || ip->protocol != IPPROTO_TCP || ip->ihl != 5) return 0;
  *tuple = (struct tuple){ip->saddr, ip->daddr, tcp->source, tcp->dest};
  return 1;
}

static __always_inline int carry_known(struct __sk_buff* frame, const struct tuple* tuple) {
  const struct rewrite* known = bpf_map_lookup_elem(&flows, tuple);
  return known ? carry(frame, tuple, known) : -1;
}

SEC("tc") int from_client(struct __sk_buff* frame) {
  struct tuple tuple;
  if (!parse(frame, &tuple)) return TC_ACT_OK;
  const int action = carry_known(frame, &tuple);
  if (action != -1 || tuple.destination_port != bpf_htons(kVirtualPort)) return action == -1 ? TC_ACT_OK : action;
  const __u32 ours = 123456, theirs = 987654;
  struct rewrite forth = {
      {tuple.source, SERVER, tuple.source_port, bpf_htons(SERVER_PORT)}, ours, -theirs, SERVER_SIDE, TO_SERVER};
  struct rewrite back = {{tuple.destination, tuple.source, tuple.destination_port, tuple.source_port},
                         theirs,
                         -ours,
                         CLIENT_SIDE,
                         TO_CLIENT};
  const struct tuple reply = {SERVER, tuple.source, bpf_htons(SERVER_PORT), tuple.source_port};
  bpf_map_update_elem(&flows, &tuple, &forth, BPF_ANY);
  bpf_map_update_elem(&flows, &reply, &back, BPF_ANY);
  return carry(frame, &tuple, &forth);
}

SEC("tc") int from_server(struct __sk_buff* frame) {
  struct tuple tuple;
  if (!parse(frame, &tuple)) return TC_ACT_OK;
  const int action = carry_known(frame, &tuple);
  return action == -1 ? TC_ACT_OK : action;
}

char _license[] SEC("license") = "Dual BSD/GPL";
