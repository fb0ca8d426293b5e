#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "packet/frame.h"
#include "wire/bytes.h"
#include "wire/checksum.h"

// Frames for the tests of ports: built, chained at random places, and checked by full recomputation.
namespace flatproxy::port_test {

using Bytes = std::vector<uint8_t>;

inline uint16_t load_be16(const uint8_t* p) { return wire::load16(p); }
inline uint32_t load_be32(const uint8_t* p) { return wire::load32(p); }
inline void store_be16(uint8_t* p, size_t value) { wire::store16(p, static_cast<uint16_t>(value)); }
inline void store_be32(uint8_t* p, uint32_t value) { wire::store32(p, value); }

/// Seeded; 32 bits a call.
struct Random {
  std::mt19937 engine;
  explicit Random(uint32_t seed) : engine(seed) {}
  uint32_t operator()() { return static_cast<uint32_t>(engine()); }
};

struct TcpShape {
  bool v6 = false;
  unsigned tags = 0;
  uint32_t ip_options = 0;   // v4: options; v6: a hop-by-hop and a destination options header together; multiple of 8
  uint32_t tcp_options = 0;  // multiple of 4
  uint8_t flags = 0x10;
  uint32_t payload = 0;
};

inline uint32_t l3_of(const TcpShape& s) { return 14 + 4 * s.tags; }
inline uint32_t l4_of(const TcpShape& s) { return l3_of(s) + (s.v6 ? 40u : 20u) + s.ip_options; }
inline uint32_t headers_of(const TcpShape& s) { return l4_of(s) + 20 + s.tcp_options; }

inline uint64_t pseudo_sum(const uint8_t* ip, bool v6, uint8_t protocol, uint32_t l4_length) {
  const uint64_t addresses = v6 ? wire::sum_bytes(ip + 8, 32) : wire::sum_bytes(ip + 12, 8);
  return addresses + __builtin_bswap16(protocol) + __builtin_bswap16(static_cast<uint16_t>(l4_length));
}

/// A TCP frame with random payload and a correct checksum.
inline Bytes tcp_bytes(const TcpShape& s, Random& random) {
  const uint32_t l3 = l3_of(s), l4 = l4_of(s), headers = headers_of(s);
  Bytes f(headers + s.payload);
  for (uint8_t& b : f) b = static_cast<uint8_t>(random());
  for (unsigned i = 0; i < s.tags; ++i) store_be16(&f[12 + 4 * i], i + 1 < s.tags ? 0x88a8 : 0x8100);
  store_be16(&f[l3 - 2], s.v6 ? 0x86dd : 0x0800);
  uint8_t* ip = &f[l3];
  if (s.v6) {
    ip[0] = 0x60;
    store_be16(ip + 4, static_cast<uint32_t>(f.size()) - l3 - 40);
    ip[6] = s.ip_options > 0 ? 0 : 6;
    if (s.ip_options > 8) {
      ip[40] = 60;
      ip[41] = 0;
      ip[48] = 6;
      ip[49] = static_cast<uint8_t>((s.ip_options - 8) / 8 - 1);
    } else if (s.ip_options == 8) {
      ip[40] = 6;
      ip[41] = 0;
    }
  } else {
    ip[0] = static_cast<uint8_t>(0x40 | (20 + s.ip_options) / 4);
    store_be16(ip + 2, static_cast<uint32_t>(f.size()) - l3);
    store_be16(ip + 6, 0x4000);
    ip[9] = 6;
    store_be16(ip + 10, 0);
    store_be16(ip + 10, wire::finish(wire::sum_bytes(ip, l4 - l3)));
  }
  uint8_t* tcp = &f[l4];
  tcp[12] = static_cast<uint8_t>((20 + s.tcp_options) / 4 << 4);
  tcp[13] = s.flags;
  store_be16(tcp + 16, 0);
  const auto length = static_cast<uint32_t>(f.size()) - l4;
  store_be16(tcp + 16, wire::finish(wire::sum_bytes(tcp, length, pseudo_sum(ip, s.v6, 6, length))));
  return f;
}

/// A UDP/IPv4 frame of 42 bytes and the payload.
inline Bytes udp_bytes(uint32_t payload, Random& random) {
  Bytes f(42 + payload);
  for (uint8_t& b : f) b = static_cast<uint8_t>(random());
  store_be16(&f[12], 0x0800);
  uint8_t* ip = &f[14];
  ip[0] = 0x45;
  store_be16(ip + 2, 28 + payload);
  store_be16(ip + 6, 0);
  ip[9] = 17;
  store_be16(ip + 10, 0);
  store_be16(ip + 10, wire::finish(wire::sum_bytes(ip, 20)));
  store_be16(ip + 24, 8 + payload);
  store_be16(ip + 26, 0);
  const uint16_t sum = wire::finish(wire::sum_bytes(ip + 20, 8 + payload, pseudo_sum(ip, false, 17, 8 + payload)));
  store_be16(ip + 26, sum == 0 ? uint16_t{0xffff} : sum);
  return f;
}

/// The frame as one segment chain, as a port receives it.
inline Segment* frame_of(const Bytes& bytes, Buffers& buffers) {
  Segment* head = buffers.small.allocate();
  append(head, bytes.data(), static_cast<uint32_t>(bytes.size()), buffers);
  return head;
}

/// The frame as a chain of segments of random lengths; the head holds at least min(size, 128) bytes.
inline Segment* chain_of(const Bytes& bytes, Buffers& buffers, Random& random) {
  Segment* head = nullptr;
  Segment* last = nullptr;
  uint32_t at = 0;
  const auto size = static_cast<uint32_t>(bytes.size());
  do {
    const uint32_t wish = head == nullptr ? 128 + random() % 300 : 1 + random() % 4000;
    Segment* s = head == nullptr ? buffers.small.allocate() : buffers.large.allocate(random() % 64);
    const uint32_t n = std::min({wish, size - at, s->tailroom()});
    std::memcpy(s->data, bytes.data() + at, n);
    s->length = n;
    at += n;
    if (head == nullptr) {
      head = s;
    } else {
      last->next = s;
    }
    last = s;
  } while (at < size);
  head->frame_length = size;
  return head;
}

inline Bytes bytes_of(const Segment* head) {
  Bytes bytes(head->frame_length);
  copy_out(head, 0, bytes.data(), head->frame_length);
  return bytes;
}

/// The L4 checksum of a whole IPv4 or IPv6 frame of that shape, recomputed over all of its bytes.
inline bool l4_checksum_right(const Bytes& f, uint32_t l3, uint32_t l4, bool v6, uint8_t protocol) {
  const auto length = static_cast<uint32_t>(f.size()) - l4;
  return wire::fold(wire::sum_bytes(&f[l4], length, pseudo_sum(&f[l3], v6, protocol, length))) == 0xffff;
}

inline bool ipv4_checksum_right(const Bytes& f, uint32_t l3) {
  return wire::fold(wire::sum_bytes(&f[l3], (f[l3] & 15u) * 4)) == 0xffff;
}

/// Makes a frame with a correct TCP checksum one whose checksum is still to be filled in.
inline void make_needy(Segment* frame, const TcpShape& s) {
  const uint32_t l4 = l4_of(s);
  pull_up(frame, l4 + 20);
  const uint64_t sum = pseudo_sum(frame->data + l3_of(s), s.v6, 6, frame->frame_length - l4);
  store_be16(frame->data + l4 + 16, __builtin_bswap16(wire::fold(sum)));
  frame->flags |= kNeedsChecksum;
  frame->checksum_start = static_cast<uint16_t>(l4);
  frame->checksum_offset = 16;
}

inline void make_large(Segment* frame, const TcpShape& s, uint16_t gso_size) {
  frame->flags |= s.v6 ? kGsoTcp6 : kGsoTcp4;
  frame->gso_size = gso_size;
  frame->payload_offset = static_cast<uint16_t>(headers_of(s));
}

}  // namespace flatproxy::port_test
