// What the steering programs (steer.bpf.c) share with the process that loads them: their constants and their maps'
// layout. Addresses are 16 bytes, IPv4 as ::ffff:a.b.c.d; ports are in network order.
#pragma once

#include <linux/types.h>

// On frames of our own between a tap and the interface, so that no program takes them again. Cleared before anyone else
// sees it. ("flpx")
#define STEER_MARK 0x666c7078u

struct steer_config {
  __u64 watchdog;   // ns without a heartbeat after which the lanes count as dead
  __u32 interface;  // ifindex of what is taken
  __u32 wire_tap;   // ifindex of the tap with the interface's frames
  __u32 host_tap;   // ifindex of the tap with the frames of the node's own stack; unused when matched
  __u8 matched;     // take only what is claimed
  __u8 block;       // without living lanes drop what would be taken, instead of leaving it to the kernel
  __u8 to_peer;     // the interface is a veth: frames for its other end's MAC go there straight
  __u8 reserved;
  __u8 peer_mac[6];
  __u8 reserved2[2];
};

enum steer_address_flags {
  STEER_ALL = 1,       // everything to the address is ours
  STEER_NEIGHBOR = 2,  // ARP and ND for it are ours: no interface of the kernel has it
};

struct steer_address {
  __u8 bytes[16];
};

// A claimed destination.
struct steer_claim {
  struct steer_address address;
  __u16 port;
  __u8 protocol;
  __u8 reserved[5];
};

// A claimed reply, as it will arrive. ICMP echo: the identifier is both ports.
struct steer_tuple {
  struct steer_address source;
  struct steer_address destination;
  __u16 source_port;
  __u16 destination_port;
  __u8 protocol;
  __u8 reserved[3];
};

// A datagram of a claimed reply whose first fragment has passed.
struct steer_datagram {
  struct steer_address source;
  struct steer_address destination;
  __u32 id;
  __u8 protocol;
  __u8 reserved[3];
};
