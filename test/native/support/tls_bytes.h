#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "support/faulty_link.h"
#include "tcp/byte_queue.h"
#include "tls/traffic_keys.h"

namespace flatproxy::test {

using ByteVector = std::vector<uint8_t>;

inline ByteVector from_hex(std::string_view text) {
  ByteVector bytes;
  uint8_t digits = 0;
  uint8_t value = 0;
  for (const char c : text) {
    if (c == ' ') continue;
    value = static_cast<uint8_t>(value << 4 | (c <= '9' ? c - '0' : c - 'a' + 10));
    if (++digits % 2 == 0) bytes.push_back(value);
  }
  return bytes;
}

inline ByteVector random_bytes(size_t n, Dice& dice) {
  ByteVector bytes(n);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(dice.next() >> 24);
  return bytes;
}

inline tls::TrafficKeys random_keys(tls::Version version, tls::Suite suite, uint64_t seed) {
  Dice dice(seed);
  tls::TrafficKeys keys;
  keys.version = version;
  keys.suite = suite;
  std::ranges::copy(random_bytes(tls::kMaxKeySize, dice), keys.key.data());
  std::ranges::copy(random_bytes(tls::kNonceSize, dice), keys.iv.data());
  return keys;
}

/// A segment with these bytes and no room behind them when they fill it.
inline Segment* segment_of(const uint8_t* bytes, size_t n, uint32_t headroom, Buffers& buffers) {
  const bool small = n + headroom <= Buffers::kSmallCapacity;
  Segment* segment = small ? buffers.small.allocate(headroom) : buffers.large.allocate(0);
  std::memcpy(segment->data, bytes, n);
  segment->length = static_cast<uint32_t>(n);
  return segment;
}

/// Bytes in pieces of these lengths in turn, each in a segment of its own.
inline tcp::ByteQueue queue_of(const ByteVector& bytes, const std::vector<size_t>& lengths, Buffers& buffers) {
  tcp::ByteQueue queue;
  for (size_t at = 0, i = 0; at < bytes.size(); ++i) {
    const size_t n = std::min(lengths[i % lengths.size()], bytes.size() - at);
    queue.push(segment_of(bytes.data() + at, n, 0, buffers));
    at += n;
  }
  return queue;
}

inline ByteVector bytes_of(const tcp::ByteQueue& queue) {
  ByteVector bytes(queue.bytes());
  queue.peek(bytes.data(), queue.bytes());
  return bytes;
}

}  // namespace flatproxy::test
