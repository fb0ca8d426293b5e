// The floor for tc steering: every frame that comes in by an interface goes out by the one of index TO, whole.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
// In this order: the helpers need the types.
#include <bpf/bpf_helpers.h>

SEC("tc")
int steer(struct __sk_buff* frame __attribute__((unused))) { return bpf_redirect(TO, 0); }

char _license[] SEC("license") = "Dual BSD/GPL";
