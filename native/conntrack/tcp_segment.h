#pragma once

#include <cstdint>

#include "packet/segment.h"
#include "wire/bytes.h"

namespace flatproxy {

/// A TCP segment as tracking sees it; fields in host order, the window as on the wire.
struct TcpSegment {
  uint32_t sequence;
  uint32_t acknowledgement;
  uint32_t payload;  ///< bytes of data; of a frame of several wire segments, of all
  uint16_t window;
  uint8_t flags;         ///< the flag byte of the header
  uint8_t window_scale;  ///< SYN: the shift of its option, or kNoWindowScale
};
constexpr uint8_t kNoWindowScale = 0xff;
constexpr uint8_t kTcpFin = 0x01, kTcpSyn = 0x02, kTcpRst = 0x04, kTcpPsh = 0x08, kTcpAck = 0x10;

/// Reads the header of a parsed TCP packet, not a later fragment. A SYN's options are not looked at.
inline TcpSegment read_tcp_header(const Segment* head) {
  const uint8_t* tcp = head->data + head->l4_offset;
  TcpSegment s;
  s.sequence = wire::load32(tcp + 4);
  s.acknowledgement = wire::load32(tcp + 8);
  s.payload = head->l4_length - static_cast<uint32_t>(tcp[12] >> 4) * 4;
  s.window = wire::load16(tcp + 14);
  s.flags = tcp[13];
  s.window_scale = kNoWindowScale;
  return s;
}

}  // namespace flatproxy
