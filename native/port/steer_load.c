// In C, because bpftool's light skeletons are.
#include "port/steer_load.h"

#include <errno.h>
#include <string.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Woverlength-strings"
#pragma GCC diagnostic ignored "-Wpointer-arith"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wunused-function"
#include "steer.skel.h"
#pragma GCC diagnostic pop

// Without `matched` nothing is ever claimed.
static void size_maps(struct steer* skeleton, const struct steer_config* config, __u32 replies) {
  skeleton->maps.replies.max_entries = config->matched ? replies : 1;
  if (config->matched) return;
  skeleton->maps.addresses.max_entries = 1;
  skeleton->maps.claims.max_entries = 1;
}

static void describe(struct steer_loaded* loaded, struct steer* skeleton) {
  loaded->skeleton = skeleton;
  loaded->heartbeat = &skeleton->bss->heartbeat;
  loaded->host_closed = &skeleton->bss->host_closed;
  loaded->wire_ingress = skeleton->progs.wire_ingress.prog_fd;
  loaded->host_egress = skeleton->progs.host_egress.prog_fd;
  loaded->wire_tap_ingress = skeleton->progs.wire_tap_ingress.prog_fd;
  loaded->host_tap_ingress = skeleton->progs.host_tap_ingress.prog_fd;
  loaded->stub_ingress = skeleton->progs.stub_ingress.prog_fd;
  loaded->stub_egress = skeleton->progs.stub_egress.prog_fd;
  loaded->programs = skeleton->maps.programs.map_fd;
  loaded->addresses = skeleton->maps.addresses.map_fd;
  loaded->claims = skeleton->maps.claims.map_fd;
  loaded->replies = skeleton->maps.replies.map_fd;
}

int steer_load(struct steer_loaded* loaded, const struct steer_config* config, __u32 replies, char* log,
               size_t log_size) {
  struct steer* skeleton = steer__open();
  if (skeleton == NULL) return -ENOMEM;
  if (log != NULL) {
    log[0] = '\0';
    skeleton->ctx.log_level = 1;
    skeleton->ctx.log_size = (__u32)log_size;
    skeleton->ctx.log_buf = (__u64)(size_t)log;
  }
  skeleton->rodata->config = *config;
  size_maps(skeleton, config, replies);
  const int error = steer__load(skeleton);
  if (error != 0) {
    steer__destroy(skeleton);
    return error;
  }
  describe(loaded, skeleton);
  return 0;
}

void steer_unload(struct steer_loaded* loaded) {
  if (loaded->skeleton != NULL) steer__destroy(loaded->skeleton);
  memset(loaded, 0, sizeof(*loaded));
}
