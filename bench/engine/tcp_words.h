#pragma once

#include <cstdint>

#include "packet/buffers.h"

namespace flatproxy::bench {

/// A TCP segment over IPv4, as a benchmark's peers hear and say it. Addresses and ports in host order.
struct TcpWords {
  uint32_t source = 0;
  uint32_t destination = 0;
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  uint32_t sequence = 0;
  uint32_t acknowledgment = 0;
  uint8_t flags = 0;
  uint16_t window = 0;
  uint32_t payload = 0;           ///< bytes
  const char* content = nullptr;  ///< said: the payload's; whatever there is, without
  uint32_t timestamp = 0;         ///< heard: the sender's; said: the one that is echoed

  bool has(uint8_t flag) const { return (flags & flag) != 0; }
  /// How far it moves the sequence number on.
  uint32_t length() const;
  /// What answers it: an acknowledgment of all of it.
  TcpWords answer(uint8_t with_flags, uint32_t with_payload = 0) const;
};

TcpWords hear(const Segment* frame);

/// A frame of one side, as a device hands it over that has verified its checksum; of many wire segments if it is large.
/// SYNs offer what Linux offers; every segment has timestamps. nullptr: there are no buffers.
/// @param clock the sender's timestamp
Segment* say(const TcpWords& words, bool from_left, uint32_t clock, Buffers& buffers);

}  // namespace flatproxy::bench
