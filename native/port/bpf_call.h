#pragma once

#include <cstdint>
#include <string>

#include "port/fd.h"

// bpf(2), as far as ports use it. The functions return 0 or the errno.
namespace flatproxy {

/// BPF_TCX_INGRESS and BPF_TCX_EGRESS (kernel 6.6), which older headers lack.
constexpr uint32_t kTcxIngress = 46;
constexpr uint32_t kTcxEgress = 47;

int bpf_link_create(int program, uint32_t interface, uint32_t attach_type, Fd* link);
int bpf_pin(int object, const std::string& path);
/// The object behind a pin; empty when there is none.
Fd bpf_open_pin(const std::string& path);
/// Takes the program of a link off its hook at once, whoever else holds the link.
int bpf_link_detach(int link);
int bpf_map_update(int map, const void* key, const void* value);
int bpf_map_delete(int map, const void* key);

}  // namespace flatproxy
