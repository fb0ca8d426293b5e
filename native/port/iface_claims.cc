#include "port/iface_claims.h"

#include <arpa/inet.h>

#include <cstring>
#include <map>

#include "port/bpf_call.h"
#include "port/system_error.h"

namespace flatproxy {
namespace {

constexpr uint32_t kPresent = 1;

steer_address key_of(const wire::Address& address) {
  steer_address key;
  std::memcpy(key.bytes, address.bytes.data(), sizeof(key.bytes));
  return key;
}

steer_claim key_of(const Claim& claim) {
  steer_claim key{};
  key.address = key_of(claim.address);
  key.port = htons(claim.port);
  key.protocol = claim.protocol;
  return key;
}

steer_tuple key_of(const Tuple& tuple) {
  steer_tuple key{};
  key.source = key_of(tuple.source);
  key.destination = key_of(tuple.destination);
  key.source_port = htons(tuple.source_port);
  key.destination_port = htons(tuple.destination_port);
  key.protocol = tuple.protocol;
  return key;
}

template <typename Key>
void insert(int map, const Key& key, uint32_t value) {
  const int error = bpf_map_update(map, &key, &value);
  if (error == 0) return;
  if (error == E2BIG || error == ENOMEM || error == ENOSPC) {
    throw Error("ERR_FLATPROXY_RESOURCE", "the interface's claim table is full", "claim at most 65536 destinations");
  }
  throw system_error("write an interface's claims", error, "CAP_BPF");
}

// Per address: whether all of it is claimed, and whether it is a purely virtual one.
std::map<wire::Address, uint32_t> flags_of(const std::set<Claim>& claims, const std::set<wire::Address>& kernels) {
  std::map<wire::Address, uint32_t> flags;
  for (const Claim& claim : claims) {
    uint32_t& f = flags[claim.address];
    if (claim.protocol == 0) f |= STEER_ALL;
    if (!kernels.contains(claim.address)) f |= STEER_ALL | STEER_NEIGHBOR;
  }
  return flags;
}

}  // namespace

// New ones go in first, old ones out last. Within them, ports go in before their address and out after it.
void IfaceClaims::set_claims(const std::vector<Claim>& claims) {
  const std::set<Claim> wanted(claims.begin(), claims.end());
  std::set<wire::Address> kernels;
  for (const wire::Prefix& prefix : netlink_.addresses(0)) kernels.insert(prefix.address);
  const auto flags = flags_of(wanted, kernels);
  for (const Claim& claim : wanted) {
    if (claims_.insert(claim).second) insert(maps_.claims, key_of(claim), kPresent);
  }
  for (const auto& [address, value] : flags) {
    addresses_.insert(address);
    insert(maps_.addresses, key_of(address), value);
  }
  std::erase_if(addresses_, [&](const wire::Address& address) {
    if (flags.contains(address)) return false;
    const steer_address key = key_of(address);
    bpf_map_delete(maps_.addresses, &key);
    return true;
  });
  std::erase_if(claims_, [&](const Claim& claim) {
    if (wanted.contains(claim)) return false;
    const steer_claim key = key_of(claim);
    bpf_map_delete(maps_.claims, &key);
    return true;
  });
}

bool IfaceClaims::claim(const Tuple& reply) {
  const steer_tuple key = key_of(reply);
  return bpf_map_update(maps_.replies, &key, &kPresent) == 0;
}

void IfaceClaims::unclaim(const Tuple& reply) {
  const steer_tuple key = key_of(reply);
  bpf_map_delete(maps_.replies, &key);
}

}  // namespace flatproxy
