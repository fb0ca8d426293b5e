#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include "packet/segment.h"
#include "packet/segment_pool.h"

namespace flatproxy {

/// Captures of an engine at once.
constexpr size_t kMaxCaptures = 4;

/// What is known of a frame that captures want: it stands in front of the copy of the frame as it came (or, of one of
/// our own, as it leaves), which the frame brings along until it ends.
struct CaptureNote {
  std::array<uint32_t, kMaxCaptures> captures;  ///< their numbers; 0: none
  Nanoseconds time;                             ///< the lane's
  uint64_t sequence;                            ///< in which its lane got it
  uint32_t original;                            ///< bytes of the whole frame
  uint32_t policy;                              ///< that refused it, by its place; kNoPolicy: none did
  uint16_t port;                                ///< that it came by, or that one of our own leaves by
  bool outbound;                                ///< one of our own

  static constexpr uint32_t kNoPolicy = ~0u;
};
static_assert(sizeof(CaptureNote) <= kHeadroom);

/// The note of a copy, in the headroom of its buffer.
inline CaptureNote& note_of(Segment* copy) { return *reinterpret_cast<CaptureNote*>(copy->buffer); }

inline bool is_captured(const Segment* frame) { return (frame->flags & kCaptured) != 0; }

/// From now on the frame brings the copy along.
inline void attach_copy(Segment* frame, Segment* copy) {
  frame->flags |= kCaptured;
  frame->captured = copy;
}
/// Takes the copy of a frame that has one: it is the caller's to end.
inline Segment* detach_copy(Segment* frame) {
  frame->flags &= static_cast<uint16_t>(~kCaptured);
  return std::exchange(frame->captured, nullptr);
}
/// Notes which policy ends a frame.
inline void note_policy(const Segment* frame, uint32_t policy) {
  if (is_captured(frame)) [[unlikely]]
    note_of(frame->captured).policy = policy;
}

}  // namespace flatproxy
