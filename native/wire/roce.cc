#include "wire/roce.h"

namespace flatproxy::wire {

namespace {

constexpr uint8_t kReliableConnection = 0, kReliableDatagram = 2, kExtendedReliableConnection = 5;  // transports
constexpr uint8_t kCnp = 0x81;  // opcode (annex A17.9.3)

constexpr uint8_t transport_of(uint8_t opcode) { return opcode >> 5; }
constexpr uint8_t operation_of(uint8_t opcode) { return opcode & 31; }

constexpr uint32_t operations(uint32_t first, uint32_t last) { return (2u << last) - (1u << first); }

// Section 9.2.1, table "OpCode field".
// clang-format off
struct ClassRow { RoceClass name; uint32_t operations; };
constexpr ClassRow kClasses[] = {
    {RoceClass::send,   operations(0, 5) | operations(22, 23)},  // 22, 23: with invalidate
    {RoceClass::write,  operations(6, 11)},
    {RoceClass::read,   operations(12, 16)},
    {RoceClass::ack,    operations(17, 17)},
    {RoceClass::atomic, operations(18, 20)},
};
constexpr uint32_t kTransports[8] = {
    operations(0, 20) | operations(22, 23),  // reliable connection
    operations(0, 11),                       // unreliable connection
    operations(0, 20),                       // reliable datagram
    operations(4, 5),                        // unreliable datagram
    0,                                       // congestion notification: one opcode, kCnp
    operations(0, 20) | operations(22, 23),  // extended reliable connection
    0, 0,                                    // of vendors
};
// clang-format on

constexpr RoceClass class_of(uint8_t opcode) {
  if (opcode == kCnp) return RoceClass::cnp;
  const uint32_t operation = 1u << operation_of(opcode) & kTransports[transport_of(opcode)];
  for (const ClassRow& row : kClasses) {
    if ((row.operations & operation) != 0) return row.name;
  }
  return RoceClass::other;
}

/// Requests have numbers of their own; responses to reads those of the request and the ones behind it (section 9.7.3).
constexpr RoceNumbers numbers_of(uint8_t opcode) {
  const uint8_t transport = transport_of(opcode);
  if (transport != kReliableConnection && transport != kExtendedReliableConnection) return RoceNumbers::none;
  const uint32_t operation = 1u << operation_of(opcode) & kTransports[transport];
  if ((operation & (operations(0, 12) | operations(19, 20) | operations(22, 23))) != 0) return RoceNumbers::requests;
  return (operation & operations(13, 16)) != 0 ? RoceNumbers::responses : RoceNumbers::none;
}

}  // namespace

void Bth::emit(MutableBytes out) const {
  uint8_t* p = out.data();
  p[0] = opcode;
  p[1] = static_cast<uint8_t>((solicited ? 0x80 : 0) | (migrated ? 0x40 : 0) | (pad_count & 3) << 4);
  store16(p + 2, partition_key);
  store32(p + 4, (destination_qp & kRoceNumberMask) | (forward_congestion ? 0x80000000u : 0) |
                     (backward_congestion ? 0x40000000u : 0));
  store32(p + 8, (psn & kRoceNumberMask) | (ack_requested ? 0x80000000u : 0));
}

constexpr std::array<RoceOpcode, 256> kRoceOpcodes = [] {
  std::array<RoceOpcode, 256> table{};
  for (unsigned opcode = 0; opcode < table.size(); ++opcode)
    table[opcode] = {class_of(static_cast<uint8_t>(opcode)), numbers_of(static_cast<uint8_t>(opcode))};
  return table;
}();

bool is_roce_nak(const Bth& bth, Bytes bytes) {
  if (roce_class(bth.opcode) != RoceClass::ack) return false;
  const uint32_t at = kBthSize + (transport_of(bth.opcode) == kReliableDatagram ? kRdethSize : 0);
  if (bytes.size() < at + kAethSize) return false;
  // The syndrome's kind: 0 ACK, 1 receiver not ready, 2 reserved, 3 NAK (section 9.7.5.2.1, table "AETH syndrome").
  const uint8_t kind = bytes[at] >> 5 & 3;
  return kind == 1 || kind == 3;
}

}  // namespace flatproxy::wire
