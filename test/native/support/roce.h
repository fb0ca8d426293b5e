#pragma once

#include <string>

#include "support/frames.h"
#include "wire/roce.h"

namespace flatproxy::test {

/// Opcodes of reliable connections (InfiniBand specification, section 9.2.1), and the congestion notification.
namespace roce_opcode {
constexpr uint8_t kSendOnly = 0x04, kWriteOnly = 0x0a, kReadRequest = 0x0c, kReadResponseOnly = 0x10, kAck = 0x11,
                  kCnp = 0x81;
}
/// Syndromes of an acknowledge.
constexpr uint8_t kAckSyndrome = 0x1f, kRnrSyndrome = 0x20, kNakSyndrome = 0x60;

/// What RoCEv2 has behind its UDP header: the base transport header, `behind` it, and an ICRC that nobody looks at.
inline std::string roce_payload(uint8_t opcode, uint32_t qp, uint32_t psn, const std::string& behind = "") {
  wire::Bth bth;
  bth.opcode = opcode;
  bth.partition_key = 0xffff;
  bth.destination_qp = qp;
  bth.psn = psn;
  std::string bytes(wire::kBthSize, '\0');
  bth.emit({reinterpret_cast<uint8_t*>(bytes.data()), bytes.size()});
  return bytes + behind + "icrc";
}

/// An acknowledge's extended header (AETH).
inline std::string aeth(uint8_t syndrome) { return {static_cast<char>(syndrome), 0, 0, 1}; }

inline Frame roce_frame(std::string_view from, std::string_view to, const std::string& payload,
                        uint16_t source_port = 0xc001) {
  return Frame().from(from, source_port).to(to, wire::kRocePort).udp().payload(payload);
}

}  // namespace flatproxy::test
