#include "packet/frame.h"

#include <algorithm>
#include <cstring>

namespace flatproxy {

bool pull_up_slow(Segment* head, uint32_t n) {
  if (n > head->frame_length || n - head->length > head->tailroom()) return false;
  while (head->length < n) {
    Segment* from = head->next;
    const uint32_t take = std::min(n - head->length, from->length);
    std::memcpy(head->data + head->length, from->data, take);
    head->length += take;
    from->data += take;
    from->length -= take;
    if (from->length == 0) {
      head->next = from->next;
      from->pool->give_back(from);
    }
  }
  return true;
}

bool append(Segment* head, const uint8_t* bytes, uint32_t n, Buffers& buffers) {
  Segment* last = head;
  while (last->next != nullptr) last = last->next;
  while (n > 0) {
    if (last->tailroom() == 0) {
      last->next = buffers.large.allocate(0);
      if (last->next == nullptr) return false;
      last = last->next;
    }
    const uint32_t take = std::min(n, last->tailroom());
    std::memcpy(last->data + last->length, bytes, take);
    last->length += take;
    head->frame_length += take;
    bytes += take;
    n -= take;
  }
  return true;
}

Segment* copy_frame(const Segment* head, Buffers& buffers, uint32_t most) {
  Segment* copy = buffers.small.allocate();
  if (copy == nullptr) return nullptr;
  uint32_t left = std::min(most, head->frame_length);
  for (const Segment* s = head; left > 0; s = s->next) {
    const uint32_t take = std::min(left, s->length);
    if (!append(copy, s->data, take, buffers)) {
      release(copy);
      return nullptr;
    }
    left -= take;
  }
  copy_knowledge(copy, head);
  if (copy->frame_length < head->frame_length) copy->flags = copy->gso_size = 0;
  return copy;
}

uint32_t copy_out(const Segment* head, uint32_t offset, uint8_t* to, uint32_t n) {
  uint32_t copied = 0;
  for (const Segment* s = head; s != nullptr && copied < n; s = s->next) {
    if (offset >= s->length) {
      offset -= s->length;
      continue;
    }
    const uint32_t take = std::min(n - copied, s->length - offset);
    std::memcpy(to + copied, s->data + offset, take);
    copied += take;
    offset = 0;
  }
  return copied;
}

void trim_chain_to(Segment* head, uint32_t length) {
  head->frame_length = length;
  Segment* s = head;
  while (length > s->length) {
    length -= s->length;
    s = s->next;
  }
  s->length = length;
  Segment* rest = s->next;
  s->next = nullptr;
  while (rest != nullptr) {
    Segment* next = rest->next;
    rest->pool->give_back(rest);
    rest = next;
  }
}

}  // namespace flatproxy
