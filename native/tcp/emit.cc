#include "tcp/emit.h"

#include <algorithm>
#include <cstring>

#include "l3/built_frame.h"
#include "tcp/receive.h"
#include "wire/checksum.h"
#include "wire/ecn.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"

namespace flatproxy::tcp {
namespace {

constexpr uint32_t kCopied = 512;    // so few bytes are copied into the frame; more stay where they are
constexpr uint32_t kMaxPieces = 60;  // of a frame beside its headers: what every port takes

// Appends n payload bytes that stand in a queue to a frame. False: no buffers.
bool attach(Segment* frame, Place place, uint32_t skip, uint32_t n, Buffers& buffers) {
  while (skip >= place.piece->length - place.offset && n > 0) {
    skip -= place.piece->length - place.offset;
    place = {place.piece->next, 0};
  }
  place.offset += skip;
  Segment* last = frame;
  for (const bool copied = n <= kCopied; n > 0; place = {place.piece->next, 0}) {
    const uint32_t take = std::min(n, place.piece->length - place.offset);
    if (take == 0) continue;
    uint8_t* bytes = place.piece->data + place.offset;
    if (copied) {
      std::memcpy(frame->data + frame->length, bytes, take);
      frame->length += take;
    } else {
      Segment* loan = buffers.loans.borrow(place.piece, bytes, take);
      if (loan == nullptr) return false;
      loan->shared = true;
      last->next = loan;
      last = loan;
    }
    frame->frame_length += take;
    n -= take;
  }
  return true;
}

// The frame's headers, and what is known about it; the checksum is for its port to complete.
void write_headers(Segment* frame, const Connection& c, const wire::Tcp& tcp, uint32_t payload, uint8_t ecn) {
  const uint32_t tcp_size = frame->payload_offset - frame->l4_offset;
  const uint32_t l4_length = tcp_size + payload;
  BuiltPacket ip{c.tuple.source, c.tuple.destination, wire::protocol::kTcp};
  ip.traffic_class = static_cast<uint8_t>((c.traffic_class & ~3u) | ecn);
  emit_ip(frame, ip, l4_length);
  uint8_t* l4 = frame->data + frame->l4_offset;
  tcp.emit({l4, tcp_size});
  const uint64_t sum = wire::sum_pseudo_header(c.tuple.source, c.tuple.destination, wire::protocol::kTcp, l4_length);
  wire::store16(l4 + wire::TcpView::kChecksum, __builtin_bswap16(wire::fold(sum)));
  frame->flags = kNeedsChecksum;
  frame->checksum_start = frame->l4_offset;
  frame->checksum_offset = wire::TcpView::kChecksum;
  frame->protocol = wire::protocol::kTcp;
  frame->l4_ports = uint32_t{tcp.source_port} << 16 | tcp.destination_port;
  frame->l4_length = l4_length;
  if (payload > c.mss) {
    frame->gso_size = c.mss;
    frame->flags |= static_cast<uint16_t>((frame->family == 4 ? kGsoTcp4 : kGsoTcp6) |
                                          ((tcp.flags & wire::kCwr) != 0 ? kGsoEcn : 0));
  }
}

// A frame with room for all headers and an Ethernet header with empty MACs in it; nullptr: the pool is empty.
Segment* begin_frame(Context& context, const Connection& c, uint32_t tcp_size) {
  Segment* frame = context.buffers.small.allocate();
  if (frame == nullptr) {
    context.counters.buffers_missing.add(1);
    return nullptr;
  }
  const bool v4 = c.tuple.family == 4;
  const uint32_t l4 = wire::kEthernetSize + (v4 ? wire::kIpv4Size : wire::kIpv6Size);
  frame->family = c.tuple.family;
  frame->ether_type = v4 ? wire::ether_type::kIpv4 : wire::ether_type::kIpv6;
  std::memset(frame->data, 0, 12);
  wire::store16(frame->data + 12, frame->ether_type);
  frame->l3_offset = wire::kEthernetSize;
  frame->l4_offset = static_cast<uint16_t>(l4);
  frame->payload_offset = static_cast<uint16_t>(l4 + tcp_size);
  frame->length = frame->frame_length = l4 + tcp_size;
  frame->port = 0;
  frame->vlan = 0;
  frame->hash = 0;
  return frame;
}

wire::Tcp header_of(const Connection& c, Sequence sequence, uint8_t flags) {
  wire::Tcp tcp;
  tcp.source_port = c.tuple.source_port;
  tcp.destination_port = c.tuple.destination_port;
  tcp.sequence = sequence;
  tcp.flags = flags;
  return tcp;
}

void add_options(Context& context, Connection& c, wire::TcpOptions& options) {
  if (c.has(kTimestampsOk)) options.timestamps = {context.timestamp(c), c.recent_timestamp};
  if (!c.has(kSackOk)) return;
  const uint8_t room = options.timestamps ? 3 : 4;
  // RFC 2883 section 4: a duplicate stands in front.
  if (c.duplicate.begin != c.duplicate.end) options.sack[options.sack_count++] = c.duplicate;
  if (c.ahead == nullptr) return;
  const auto left = static_cast<uint8_t>(room - options.sack_count);
  options.sack_count =
      static_cast<uint8_t>(options.sack_count + c.ahead->report(&options.sack[options.sack_count], left));
}

}  // namespace

uint16_t mss_of_mtu(uint16_t mtu, uint8_t family) {
  const uint32_t headers = wire::kTcpSize + (family == 4 ? wire::kIpv4Size : wire::kIpv6Size);
  return static_cast<uint16_t>(std::max(int{mtu} - static_cast<int>(headers), 64));
}

uint32_t attachable(Place place, uint32_t n) {
  uint32_t bytes = 0;
  for (uint32_t pieces = 0; bytes < n && pieces < kMaxPieces; ++pieces, place = {place.piece->next, 0}) {
    bytes += place.piece->length - place.offset;
  }
  return std::min(bytes, n);
}

bool emit(Context& context, Connection& c, const Outgoing& out) {
  wire::Tcp tcp = header_of(c, out.sequence, out.flags | wire::kAck);
  add_options(context, c, tcp.options);
  // RFC 3168 section 6.1.3: ECE until the other side has reduced its window.
  if (c.has(kEchoCongestion)) tcp.flags |= wire::kEce;
  Segment* frame = begin_frame(context, c, tcp.size());
  if (frame == nullptr) return false;
  if (out.payload > 0 && !attach(frame, out.place, out.skip, out.payload, context.buffers)) {
    context.counters.buffers_missing.add(1);
    release(frame);
    return false;
  }
  tcp.acknowledgment = c.expected;
  tcp.window = offer_window(context, c);
  write_headers(frame, c, tcp, out.payload, out.ecn_capable ? wire::kEcnCapable0 : wire::kNotEcnCapable);
  acknowledged(c);
  context.transmitter.transmit(frame, c);
  return true;
}

bool emit_syn(Context& context, Connection& c) {
  const bool answers = c.state == State::syn_received;
  wire::Tcp tcp = header_of(c, c.iss, answers ? wire::kSyn | wire::kAck : wire::kSyn);
  tcp.options.mss = mss_of_mtu(c.path_mtu, c.tuple.family);
  if (c.has(kTimestampsOk)) tcp.options.timestamps = {context.timestamp(c), c.recent_timestamp};
  tcp.options.sack_permitted = c.has(kSackOk);
  if (c.has(kScalingOk)) tcp.options.window_scale = c.receive_shift;
  // RFC 3168 section 6.1.1: ECE and CWR ask for it, ECE alone agrees.
  if (c.has(kEcnOk)) tcp.flags |= answers ? wire::kEce : wire::kEce | wire::kCwr;
  Segment* frame = begin_frame(context, c, tcp.size());
  if (frame == nullptr) return false;
  if (answers) {
    tcp.acknowledgment = c.expected;
    acknowledged(c);
  }
  // The window of a SYN is not scaled (RFC 7323 section 2.2).
  tcp.window = static_cast<uint16_t>(std::min(context.settings.initial_receive_window, 65535u));
  if (answers) c.window_edge = c.expected + tcp.window;
  write_headers(frame, c, tcp, 0, wire::kNotEcnCapable);
  context.transmitter.transmit(frame, c);
  return true;
}

void emit_reset(Context& context, Connection& c, Sequence sequence, bool acknowledges) {
  wire::Tcp tcp = header_of(c, sequence, acknowledges ? wire::kRst | wire::kAck : wire::kRst);
  if (acknowledges) tcp.acknowledgment = c.expected;
  // RFC 7323 section 3.2: a reset should have the option once both sides use it.
  if (acknowledges && c.has(kTimestampsOk)) tcp.options.timestamps = {context.timestamp(c), c.recent_timestamp};
  Segment* frame = begin_frame(context, c, tcp.size());
  if (frame == nullptr) return;
  write_headers(frame, c, tcp, 0, wire::kNotEcnCapable);
  context.transmitter.transmit(frame, c);
}

}  // namespace flatproxy::tcp
