#pragma once

#include "packet/flow_hash.h"
#include "packet/segment.h"
#include "packet/tuple.h"
#include "tcp/sequence.h"
#include "tcp/siphash.h"

namespace flatproxy::tcp {

/// What nobody outside may guess. Random, drawn once for a stack.
struct Secrets {
  HashKey table;
  SipKey sequence;
  SipKey timestamp;
  SipKey cookie;
};

inline uint64_t siphash(const Tuple& tuple, uint64_t more, const SipKey& key) {
  uint8_t input[16 + 16 + 4 + 8];
  std::memcpy(input, tuple.source.bytes.data(), 16);
  std::memcpy(input + 16, tuple.destination.bytes.data(), 16);
  std::memcpy(input + 32, &tuple.source_port, 2);
  std::memcpy(input + 34, &tuple.destination_port, 2);
  std::memcpy(input + 36, &more, 8);
  return siphash(input, sizeof(input), key);
}

/// RFC 6528 section 3: ISN = M + F(tuple, secret), M a clock of 4 us.
inline Sequence initial_sequence(const Tuple& tuple, Nanoseconds now, const Secrets& secrets) {
  return static_cast<Sequence>(now / 4000) + static_cast<Sequence>(siphash(tuple, 0, secrets.sequence));
}
/// RFC 7323 section 5.4: timestamps of different connections tell nothing about each other.
inline uint32_t timestamp_offset(const Tuple& tuple, const Secrets& secrets) {
  return static_cast<uint32_t>(siphash(tuple, 0, secrets.timestamp));
}

}  // namespace flatproxy::tcp
