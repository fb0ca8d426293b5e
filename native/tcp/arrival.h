#pragma once

#include <cstdint>
#include <optional>

#include "packet/tuple.h"
#include "tcp/byte_queue.h"
#include "tcp/sequence.h"
#include "wire/tcp.h"

namespace flatproxy::tcp {

/// A TCP segment that has come, out of its frame: one, or several that a device has joined.
struct Arrival {
  std::optional<Tuple> tuple;  ///< source: the other side; known of what may open a connection
  Sequence sequence = 0;
  Sequence acknowledgment = 0;
  uint32_t payload = 0;     ///< bytes
  uint32_t segments = 1;    ///< on the wire
  uint16_t window = 0;      ///< unscaled
  uint8_t flags = 0;        ///< wire::TcpFlag
  bool congestion = false;  ///< CE, in the IP header (RFC 3168)
  wire::TcpOptions options;
  ByteQueue data;  ///< the payload

  bool has(wire::TcpFlag flag) const { return (flags & flag) != 0; }
  /// SEG.LEN: SYN and FIN count.
  uint32_t length() const { return payload + has(wire::kSyn) + has(wire::kFin); }
  Sequence end() const { return sequence + length(); }

  enum class Fault : uint8_t { none, checksum, options };
  /// Reads the header of a parsed frame of the protocol TCP, no fragment, and verifies its checksum.
  Fault read(const Segment* frame);
  /// Takes over the frame that was read: its payload becomes `data`.
  void take(Segment* frame);
};

}  // namespace flatproxy::tcp
