#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "script.h"
#include "wire/address.h"

namespace flatproxy::packetdrill {

/// What a packet says, in a line.
std::string describe(const std::vector<uint8_t>& packet);

/// The two ends of a script's connection: their addresses, and how the script's numbers map to those on the wire.
class Ends {
 public:
  explicit Ends(bool ipv6);

  const sockaddr* local() const { return reinterpret_cast<const sockaddr*>(&local_); }
  const sockaddr* remote() const { return reinterpret_cast<const sockaddr*>(&remote_); }

  std::vector<uint8_t> inbound(const ScriptSegment& segment) const;
  std::vector<uint8_t> too_big(const ScriptTooBig& error) const;

  /// Compares a packet with what is wanted, of which `covered` bytes have come before. Returns the payload's length;
  /// throws std::runtime_error where they differ.
  uint32_t compare(const std::vector<uint8_t>& packet, const ScriptSegment& wanted, uint32_t covered);

 private:
  std::vector<uint8_t> packet(const wire::Tcp& tcp, uint32_t payload, uint8_t ecn) const;
  void learn(const wire::Tcp& tcp, const wire::Address& source);

  bool ipv6_;
  sockaddr_storage local_{};
  sockaddr_storage remote_{};
  wire::Address local_address_;
  wire::Address remote_address_;
  uint16_t local_port_ = 8080;
  uint16_t remote_port_ = 54321;
  bool known_ = false;          // our first sequence number and port have been seen
  uint32_t local_first_ = 0;    // on the wire, where the script says 0
  uint32_t remote_first_ = 0xfffff000;  // near the end, so that scripts cross it
  std::optional<uint32_t> timestamp_offset_;
};

}  // namespace flatproxy::packetdrill
