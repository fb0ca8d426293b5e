#pragma once

#include "packet/buffers.h"

namespace flatproxy {

/// Cuts a large TCP frame into the packets that it is on the wire (software TSO). Each packet has the frame's headers,
/// options and extension headers included; sequence number, IPv4 identification, lengths and checksums are its own,
/// FIN and PSH are on the last one only (RFC 9293), CWR on the first one only (RFC 3168 section 6.1.2).
/// The frame stays whole, and the caller's.
class TcpCutter {
 public:
  /// A frame that would become more packets than this is refused: a hostile segment size does not multiply it.
  static constexpr uint32_t kMaxPackets = 2048;

  /// @param mtu bytes of an IP packet at most: packets of the frame's gso_size that exceed it are cut smaller
  /// @param leave_checksum the packets are kNeedsChecksum, for a port that fills it in
  TcpCutter(Segment* frame, uint32_t mtu, bool leave_checksum);

  /// False: not a TCP segment over IPv4 or IPv6 with a gso_size, malformed, or beyond the bounds.
  bool valid() const { return per_packet_ != 0; }
  uint32_t packets() const { return packets_; }
  bool done() const { return next_ == packets_; }

  /// The next packet; nullptr when there is no buffer for it (call again later, or give up).
  Segment* next(Buffers& buffers);

  /// Takes the payload of the first n packets (0 <= n < packets()) out of the frame, which then holds the rest. Ends
  /// the cutter's work.
  void drop_first(uint32_t n);

 private:
  bool find_headers();
  bool find_l4_of_v6();
  uint32_t pseudo_sum() const;
  bool copy_payload(Segment* packet, uint32_t n, Buffers& buffers);
  void write_ip(uint8_t* headers, uint32_t index, uint32_t payload) const;
  void write_tcp(Segment* packet, uint32_t index) const;

  Segment* frame_;
  bool leave_checksum_;
  bool v6_ = false;
  uint32_t l3_ = 0;
  uint32_t l4_ = 0;
  uint32_t headers_ = 0;  // bytes of all headers
  uint32_t per_packet_ = 0;
  uint32_t packets_ = 0;
  uint32_t next_ = 0;
  uint32_t pseudo_ = 0;            // sum of the pseudo-header without the length
  const Segment* from_ = nullptr;  // where the next packet's payload starts
  uint32_t from_offset_ = 0;
};

}  // namespace flatproxy
