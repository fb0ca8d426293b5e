#pragma once

#include <cstdint>

#include "packet/buffers.h"
#include "packet/segment.h"

namespace flatproxy {

/// Drops one reference to a frame; the last one gives all of its segments back to their pools.
inline void release(Segment* head) {
  if (--head->references != 0) return;
  while (head != nullptr) {
    Segment* next = head->next;
    head->pool->give_back(head);
    head = next;
  }
}

/// Drops one reference to a single segment: a piece of a queue.
inline void drop(Segment* piece) {
  if (--piece->references == 0) piece->pool->give_back(piece);
}

/// How many packets the frame is on the wire: what every packet counter counts.
inline uint32_t wire_segments(const Segment* head) {
  if (head->gso_size == 0) return 1;
  const uint32_t headers = head->payload_offset;
  if (head->frame_length <= headers + head->gso_size) return 1;
  return (head->frame_length - headers + head->gso_size - 1u) / head->gso_size;
}

/// Marks a frame as leaving its thread; must precede the ring that carries it.
inline void mark_away(Segment* head) {
  for (Segment* s = head; s != nullptr; s = s->next) s->away = true;
}

/// Makes the first n bytes of the frame contiguous in its head, by copying from the segments behind (n at most what
/// the head can hold). False: the frame is shorter than n, or n does not fit.
bool pull_up_slow(Segment* head, uint32_t n);
inline bool pull_up(Segment* head, uint32_t n) { return n <= head->length || pull_up_slow(head, n); }

/// Appends bytes to a frame; takes further segments from `buffers`. False: the pool is empty (the frame keeps what it
/// has got and is the caller's to release).
bool append(Segment* head, const uint8_t* bytes, uint32_t n, Buffers& buffers);

/// Copies what is known about a frame (everything of a head but its buffer, lengths and links). A copy's end is not
/// what captures wait for.
inline void copy_knowledge(Segment* to, const Segment* from) {
  to->flags = static_cast<uint16_t>(from->flags & ~kCaptured);
  to->gso_size = from->gso_size;
  to->checksum_start = from->checksum_start;
  to->checksum_offset = from->checksum_offset;
  to->port = from->port;
  to->l3_offset = from->l3_offset;
  to->l4_offset = from->l4_offset;
  to->payload_offset = from->payload_offset;
  to->protocol = from->protocol;
  to->family = from->family;
  to->ether_type = from->ether_type;
  to->vlan = from->vlan;
  to->exit = from->exit;
  to->l4_ports = from->l4_ports;
  to->hash = from->hash;
  to->l4_length = from->l4_length;
}

/// A frame with a copy of the content and of what is known about it; nullptr when the pool is empty.
/// @param most bytes of it; what is cut off there is one frame on the wire, as it is
Segment* copy_frame(const Segment* head, Buffers& buffers, uint32_t most = ~0u);

/// Copies up to n bytes from `offset` into `to`; returns how many there were.
uint32_t copy_out(const Segment* head, uint32_t offset, uint8_t* to, uint32_t n);

/// Shortens the frame to `length` bytes (no effect when it is shorter); emptied segments go home.
void trim_chain_to(Segment* head, uint32_t length);
inline void trim_to(Segment* head, uint32_t length) {
  if (length >= head->frame_length) return;
  if (head->next != nullptr) return trim_chain_to(head, length);
  head->length = head->frame_length = length;
}

}  // namespace flatproxy
