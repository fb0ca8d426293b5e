#pragma once

#include <stddef.h>

#include "bpf/steer.h"

#ifdef __cplusplus
extern "C" {
#endif

struct steer;

/// The loaded steering programs of one interface; descriptors belong to `skeleton`.
struct steer_loaded {
  struct steer* skeleton;
  volatile __u64* heartbeat;    ///< mapped: a store is all it takes to beat
  volatile __u32* host_closed;  ///< mapped: not 0 leaves the node's own stack alone
  int wire_ingress, host_egress, wire_tap_ingress, host_tap_ingress;
  int stub_ingress, stub_egress;
  int programs;  ///< the stubs' PROG_ARRAY: 0 ingress, 1 egress
  int addresses, claims, replies;
};

/// Loads the programs. @param replies how many claimed replies at most @param log the verifier's, may be NULL
/// @returns 0 or a negative errno; on failure nothing is held
int steer_load(struct steer_loaded* loaded, const struct steer_config* config, __u32 replies, char* log,
               size_t log_size);
void steer_unload(struct steer_loaded* loaded);

#ifdef __cplusplus
}
#endif
