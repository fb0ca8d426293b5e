#pragma once

#include <cstddef>
#include <cstdint>

namespace flatproxy {

class SegmentPool;
enum class Reason : uint8_t;

using Nanoseconds = uint64_t;
constexpr Nanoseconds kNever = ~Nanoseconds{0};

/// What a frame's head says about its checksums and size; mirrors what virtio and NICs express.
enum FrameFlag : uint16_t {
  kNeedsChecksum = 1 << 0,   ///< the L4 checksum field holds the pseudo-header sum only; see checksum_start/_offset
  kChecksumValid = 1 << 1,   ///< the device has verified the L4 checksum
  kGsoTcp4 = 1 << 2,         ///< a TCP/IPv4 frame of several wire segments of gso_size payload bytes
  kGsoTcp6 = 1 << 3,         ///< likewise TCP/IPv6
  kGsoEcn = 1 << 4,          ///< with one of the flags above: CWR belongs to the first wire segment only (RFC 3168)
  kHandedOver = 1 << 5,      ///< came from another lane; is never handed on again
  kFirstFragment = 1 << 6,   ///< IP fragment with offset 0 and more to come
  kLaterFragment = 1 << 7,   ///< IP fragment with offset > 0: has no L4 header
  kFragmentPlaced = 1 << 8,  ///< a fragment that its fragment table has seen: l4_ports are known
  kCaptured = 1 << 9,        ///< captures want it: `captured` is a copy of the frame as it came
};

/// One piece of a frame: a reference-counted buffer with room in front. A frame is a chain of segments, and its first
/// segment, the head, carries what is known about the whole frame. Protocol code sees frames through this type only,
/// whether the memory is a lane's pool, malloc (tests, fuzzers) or a DPDK mbuf (ethdev ports).
struct alignas(64) Segment {
  uint8_t* data;          ///< first byte of the content
  uint32_t length;        ///< bytes of content in this segment
  uint32_t frame_length;  ///< head: bytes in the whole chain
  Segment* next;          ///< the chain; nullptr at its end
  SegmentPool* pool;      ///< home: where release() brings the segment back to
  uint8_t* buffer;        ///< first byte of the storage
  uint32_t capacity;      ///< bytes of storage
  uint32_t references;    ///< holders; only the lane that holds the segment touches it
  void* foreign;          ///< the object behind a foreign buffer (an rte_mbuf), else nullptr
  bool away;              ///< has crossed to another thread: release() goes through the home pool's return stack
  bool shared;            ///< others go on reading the content, such as bytes that may have to be sent again
  uint8_t reserved[6];

  // Head only from here: the frame.
  uint16_t flags;            ///< FrameFlag
  uint16_t gso_size;         ///< payload bytes per wire segment, 0: the frame is one
  uint16_t checksum_start;   ///< kNeedsChecksum: offset of the first byte summed
  uint16_t checksum_offset;  ///< kNeedsChecksum: offset of the checksum field, from checksum_start
  uint16_t port;             ///< id of the port that received the frame
  uint16_t l3_offset;        ///< offset of the IP header
  uint16_t l4_offset;        ///< offset of the L4 header (later fragments: of the fragment's data)
  uint16_t payload_offset;   ///< offset of the L4 payload
  uint8_t protocol;          ///< L4 protocol number (after IPv6 extension headers)
  uint8_t family;            ///< 4, 6 or 0: not IP
  uint16_t ether_type;       ///< host order, after VLAN tags
  uint16_t vlan;             ///< VLAN id of a tagged frame, 0: untagged or priority-tagged
  uint16_t exit;             ///< id of the port that the frame leaves by
  uint32_t l4_ports;         ///< source << 16 | destination, host order; learned from the first one for later fragments
  uint32_t hash;             ///< symmetric flow hash
  uint32_t l4_length;        ///< bytes from l4_offset to the end of the IP packet (padding excluded)
  uint32_t fragment_end;     ///< later fragments of a TCP segment: the sequence number after their data
  Reason reason;             ///< what the frame will end in if its port takes it
  Segment* captured;         ///< kCaptured: the frame's copy, which ends with it (capture/captured_frame.h)

  uint32_t headroom() const { return static_cast<uint32_t>(data - buffer); }
  uint32_t tailroom() const { return capacity - length - headroom(); }
  /// Moves the head's front edge out by n bytes (n <= headroom()) and returns the new front.
  uint8_t* prepend(uint32_t n) {
    data -= n;
    length += n;
    frame_length += n;
    return data;
  }
  /// Takes n bytes (n <= length) off the head's front.
  void trim_front(uint32_t n) {
    data += n;
    length -= n;
    frame_length -= n;
  }
};
static_assert(sizeof(Segment) == 128, "two cache lines: the buffer, the frame");

}  // namespace flatproxy
