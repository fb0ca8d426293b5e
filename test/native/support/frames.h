#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "packet/buffers.h"
#include "wire/address.h"

namespace flatproxy::test {

/// Builds a whole Ethernet frame, field by field; checksums and lengths are right unless said otherwise.
///   Frame().from("10.0.0.1", 4000).to("10.0.0.2", 80).tcp("S").build(buffers)
class Frame {
 public:
  Frame& macs(const wire::Mac& source, const wire::Mac& destination);
  Frame& from(std::string_view address, uint16_t port = 0);
  Frame& to(std::string_view address, uint16_t port = 0);
  /// @param flags of "SAFRPU"
  Frame& tcp(std::string_view flags, uint32_t sequence = 1, uint32_t ack = 0, uint16_t window = 65535);
  Frame& options(std::vector<uint8_t> bytes);  ///< TCP options, a multiple of 4
  Frame& udp();
  Frame& no_checksum();  ///< UDP without a checksum
  Frame& echo(bool request, uint16_t identifier, uint16_t sequence = 1);
  /// An ICMP error (type, code) that quotes `bytes` of this frame's IP packet.
  Frame& icmp_error(uint8_t type, uint8_t code, const std::vector<uint8_t>& quoted_packet);
  Frame& payload(std::string_view bytes);
  Frame& payload_of(uint32_t size);
  Frame& ttl(uint8_t hops);
  Frame& dont_fragment();
  /// A fragment of the packet: bytes [offset, offset + size) of what follows the IP header. size 0: to the end
  Frame& fragment(uint16_t identification, uint32_t offset, uint32_t size);
  /// Leaves the L4 checksum to the device, as a kernel does.
  Frame& needs_checksum();
  /// A frame of several wire segments.
  Frame& gso(uint16_t size);

  std::vector<uint8_t> bytes() const;
  std::vector<uint8_t> packet() const;  ///< the IP packet alone
  Segment* build(Buffers& buffers) const;

 private:
  std::vector<uint8_t> l4() const;
  wire::Mac source_mac_{{2, 0, 0, 0, 0, 1}};
  wire::Mac destination_mac_{{2, 0, 0, 0, 0, 2}};
  wire::Address source_;
  wire::Address destination_;
  uint16_t source_port_ = 0;
  uint16_t destination_port_ = 0;
  uint8_t protocol_ = 17;
  uint8_t flags_ = 0;
  uint32_t sequence_ = 0;
  uint32_t ack_ = 0;
  uint16_t window_ = 0;
  std::vector<uint8_t> options_;
  std::vector<uint8_t> payload_;
  uint8_t icmp_type_ = 0;
  uint8_t icmp_code_ = 0;
  uint32_t icmp_rest_ = 0;
  uint8_t ttl_ = 64;
  bool dont_fragment_ = false;
  bool no_checksum_ = false;
  bool needs_checksum_ = false;
  bool fragmented_ = false;
  uint16_t identification_ = 0;
  uint32_t fragment_offset_ = 0;
  uint32_t fragment_size_ = 0;
  uint16_t gso_size_ = 0;
};

/// The content of a frame, put together.
std::vector<uint8_t> content(const Segment* frame);

/// Puts a frame into a VLAN.
void tag(Segment* frame, uint16_t vlan);

/// What a frame says of itself, read by code that shares nothing with the parsers: "10.0.0.1:4000>10.0.0.2:80 tcp S
/// ttl=63".
std::string describe(const Segment* frame);

/// Whether every checksum of the frame is right, by full recomputation: IP header, L4, ICMP and the quoted IP header.
/// With kNeedsChecksum the field must hold the pseudo-header's sum.
bool checksums_right(const Segment* frame);

}  // namespace flatproxy::test
