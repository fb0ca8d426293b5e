#include "tcp_words.h"

#include <algorithm>
#include <cstring>

#include "packet/frame.h"
#include "rig.h"
#include "wire/ipv4.h"
#include "wire/protocol.h"
#include "wire/tcp.h"

namespace flatproxy::bench {
namespace {

constexpr uint16_t kMss = 1448;  // with timestamps, on 1500 bytes
constexpr uint8_t kWindowShift = 10;

wire::Address v4(uint32_t host_order) {
  const uint32_t network_order = __builtin_bswap32(host_order);
  return wire::Address::from_v4(&network_order);
}

bool add_payload(Segment* frame, uint32_t bytes, const char* content, Buffers& buffers) {
  frame->frame_length += bytes;
  if (bytes <= kMss) {
    if (content != nullptr) std::memcpy(frame->data + frame->length, content, bytes);
    frame->length += bytes;
    return true;
  }
  for (Segment* last = frame; bytes > 0; last = last->next) {
    last->next = buffers.large.allocate();
    if (last->next == nullptr) return false;
    last->next->length = std::min(bytes, last->next->tailroom());
    bytes -= last->next->length;
  }
  frame->flags = kNeedsChecksum | kGsoTcp4;
  frame->gso_size = kMss;
  frame->checksum_start = frame->l4_offset;
  frame->checksum_offset = wire::TcpView::kChecksum;
  return true;
}

constexpr uint32_t kL4 = wire::kEthernetSize + wire::kIpv4Size;
constexpr uint32_t kTimestamps = kL4 + wire::kTcpSize + 4;  // of a frame without other options: where they stand
constexpr uint32_t kHeaders = kTimestamps + 8;

/// Writes Ethernet, IPv4 and TCP headers, whatever they are. Returns their size.
uint32_t write_headers(uint8_t* to, const TcpWords& words, bool from_left, uint32_t clock) {
  wire::Tcp tcp;
  tcp.source_port = words.source_port;
  tcp.destination_port = words.destination_port;
  tcp.sequence = words.sequence;
  tcp.acknowledgment = words.acknowledgment;
  tcp.flags = words.flags;
  tcp.window = 65535;
  if (words.has(wire::kSyn)) {
    tcp.options.mss = 1460;
    tcp.options.sack_permitted = true;
    tcp.options.window_scale = kWindowShift;
  }
  tcp.options.timestamps = {clock, words.timestamp};
  write_macs(to, from_left);
  wire::store16(to + 12, 0x0800);
  wire::Ipv4 ip;
  ip.total_length = static_cast<uint16_t>(wire::kIpv4Size + tcp.size() + words.payload);
  ip.dont_fragment = true;
  ip.ttl = 64;
  ip.protocol = wire::protocol::kTcp;
  ip.source = v4(words.source);
  ip.destination = v4(words.destination);
  ip.emit({to + wire::kEthernetSize, wire::kIpv4Size});
  tcp.emit({to + kL4, tcp.size()});
  return kL4 + tcp.size();
}

/// The same of a frame without a SYN: what differs is written over a copy of what does not.
uint32_t write_usual_headers(uint8_t* to, const TcpWords& words, bool from_left, uint32_t clock) {
  struct Usual {
    Usual() {
      for (const bool left : {false, true}) write_headers(bytes[left], {}, left, 0);
    }
    uint8_t bytes[2][kHeaders];
  };
  static const Usual usual;
  std::memcpy(to, usual.bytes[from_left], kHeaders);
  const uint32_t length = kHeaders - wire::kEthernetSize + words.payload;
  wire::store16(to + 16, static_cast<uint16_t>(length));
  wire::store32(to + 26, words.source);
  wire::store32(to + 30, words.destination);
  constexpr uint32_t kFixed = 0x4500 + 0x4000 + 0x4006;
  uint32_t sum = kFixed + length + (words.source >> 16) + (words.source & 0xffff) + (words.destination >> 16) +
                 (words.destination & 0xffff);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  wire::store16(to + 24, static_cast<uint16_t>(~sum));
  wire::store16(to + kL4, words.source_port);
  wire::store16(to + kL4 + 2, words.destination_port);
  wire::store32(to + kL4 + wire::TcpView::kSequence, words.sequence);
  wire::store32(to + kL4 + 8, words.acknowledgment);
  to[kL4 + 13] = words.flags;
  wire::store32(to + kTimestamps, clock);
  wire::store32(to + kTimestamps + 4, words.timestamp);
  return kHeaders;
}

}  // namespace

uint32_t TcpWords::length() const { return payload + (has(wire::kSyn) ? 1 : 0) + (has(wire::kFin) ? 1 : 0); }

TcpWords TcpWords::answer(uint8_t with_flags, uint32_t with_payload) const {
  TcpWords out{destination, source, destination_port, source_port};
  out.sequence = acknowledgment;
  out.acknowledgment = sequence + length();
  out.flags = with_flags | wire::kAck;
  out.payload = with_payload;
  out.timestamp = timestamp;
  return out;
}

TcpWords hear(const Segment* frame) {
  const uint8_t* ip = frame->data + wire::kEthernetSize;
  const wire::TcpView tcp{ip + wire::kIpv4Size};
  TcpWords words{wire::load32(ip + 12), wire::load32(ip + 16), tcp.source_port(), tcp.destination_port()};
  words.sequence = tcp.sequence();
  words.acknowledgment = tcp.acknowledgment();
  words.flags = tcp.flags();
  words.window = tcp.window();
  words.payload = frame->frame_length - wire::kEthernetSize - wire::kIpv4Size - tcp.header_length();
  wire::TcpOptions options;
  if (options.read(tcp.options()) && options.timestamps) words.timestamp = options.timestamps->value;
  return words;
}

Segment* say(const TcpWords& words, bool from_left, uint32_t clock, Buffers& buffers) {
  Segment* frame = buffers.small.allocate();
  if (frame == nullptr) return nullptr;
  frame->length = frame->frame_length = words.has(wire::kSyn)
                                            ? write_headers(frame->data, words, from_left, clock)
                                            : write_usual_headers(frame->data, words, from_left, clock);
  frame->l4_offset = kL4;
  frame->flags = kChecksumValid;
  if (add_payload(frame, words.payload, words.content, buffers)) return frame;
  release(frame);
  return nullptr;
}

}  // namespace flatproxy::bench
