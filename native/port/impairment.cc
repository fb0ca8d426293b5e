#include "port/impairment.h"

#include <algorithm>
#include <utility>

#include "packet/frame.h"

namespace flatproxy {
namespace {

// One bit, anywhere in the frame.
void flip_bit(Segment* frame, uint64_t random) {
  uint32_t at = static_cast<uint32_t>((random >> 3) % frame->frame_length);
  Segment* s = frame;
  for (; at >= s->length; s = s->next) at -= s->length;
  s->data[at] ^= static_cast<uint8_t>(1u << (random & 7));
}

/// Whether somebody else may hold bytes of the packet, as who has sent them does.
bool is_shared(const Segment* packet) {
  for (; packet != nullptr; packet = packet->next) {
    if (packet->references > 1 || packet->foreign != nullptr) return true;
  }
  return false;
}

}  // namespace

Impairment::Impairment(const Faults& faults, uint64_t stream, FaultCounters& counters)
    : faults_(faults),
      counters_(counters),
      random_(faults.seed ^ (stream + 1) * 0xd1342543de82ef95u),
      line_(std::make_unique<Entry[]>(kCapacity)) {}

Impairment::~Impairment() {
  for (uint32_t i = 0; i < size_; ++i) release(line_[(head_ + i) % kCapacity].packet);
  for (uint32_t i = 0; i < holding_; ++i) release(held_[i].packet);
}

// splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
uint64_t Impairment::draw() {
  uint64_t z = random_ += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

bool Impairment::chance(double rate) { return static_cast<double>(draw() >> 11) * 0x1p-53 < rate; }

void Impairment::put(Segment* packet, Nanoseconds now, Buffers& buffers) {
  // Every packet takes the same number of draws, so that one rate does not change whom the others meet.
  const bool drop = chance(faults_.drop);
  const bool duplicate = chance(faults_.duplicate);
  const bool reorder = chance(faults_.reorder);
  const bool corrupt = chance(faults_.corrupt);
  const uint64_t how = draw();
  if (drop) {
    count(counters_.dropped);
    release(packet);
    pass_held(now, true);
    return;
  }
  if (corrupt && is_shared(packet)) {  // who still holds its bytes keeps them intact
    if (Segment* own = copy_frame(packet, buffers); own != nullptr) release(std::exchange(packet, own));
  }
  Segment* twin = duplicate ? copy_frame(packet, buffers) : nullptr;
  if (corrupt && !is_shared(packet) && packet->frame_length > 0) {
    flip_bit(packet, how >> 2);
    count(counters_.corrupted);
  }
  if (reorder && holding_ < kMaxHeld) {
    count(counters_.reordered);
    pass_held(now, true);
    held_[holding_++] = {packet, now + kLongestHold, 1 + static_cast<uint32_t>(how & 3)};
  } else {
    enter(packet, now);
    pass_held(now, true);
  }
  if (twin == nullptr) return;
  count(counters_.duplicated);
  enter(twin, now);
}

void Impairment::enter(Segment* packet, Nanoseconds now) {
  if (size_ == kCapacity) {
    count(counters_.overflowed);
    release(packet);
    return;
  }
  if (faults_.delay > 0) count(counters_.delayed);
  line_[(head_ + size_++) % kCapacity] = {packet, now + faults_.delay, 0};
}

void Impairment::pass_held(Nanoseconds now, bool packet_passed) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < holding_; ++i) {
    Entry& entry = held_[i];
    if (packet_passed) --entry.after;
    if (entry.after == 0 || entry.time <= now) {
      enter(entry.packet, now);
    } else {
      held_[kept++] = entry;
    }
  }
  holding_ = kept;
}

void Impairment::take(Nanoseconds now, Burst& burst) {
  pass_held(now, false);
  while (size_ > 0 && !burst.full() && line_[head_].time <= now) {
    burst.push(line_[head_].packet);
    head_ = (head_ + 1) % kCapacity;
    --size_;
  }
}

uint32_t Impairment::due(Nanoseconds now) const {
  if (faults_.delay == 0) return size_;
  uint32_t n = 0;
  while (n < size_ && n < Burst::kSize && line_[(head_ + n) % kCapacity].time <= now) ++n;
  return n;
}

Nanoseconds Impairment::next_due() const {
  Nanoseconds next = size_ > 0 ? line_[head_].time : kNever;
  for (uint32_t i = 0; i < holding_; ++i) next = std::min(next, held_[i].time);
  return next;
}

}  // namespace flatproxy
