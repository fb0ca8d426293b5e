#include "l3/tcp_reset.h"

#include "l3/built_frame.h"
#include "l3/icmp_error.h"
#include "wire/protocol.h"
#include "wire/tcp.h"
#include "wire/tuple_of.h"

namespace flatproxy {
namespace {

// "If the ACK bit is off, sequence number zero is used, <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>. If the ACK bit is
// on, <SEQ=SEG.ACK><CTL=RST>."
wire::Tcp reset_for(const wire::TcpView& segment, uint32_t data_length) {
  wire::Tcp reset;
  reset.source_port = segment.destination_port();
  reset.destination_port = segment.source_port();
  if ((segment.flags() & wire::kAck) != 0) {
    reset.flags = wire::kRst;
    reset.sequence = segment.acknowledgment();
    return reset;
  }
  const uint32_t controls =
      ((segment.flags() & wire::kSyn) != 0 ? 1u : 0u) + ((segment.flags() & wire::kFin) != 0 ? 1u : 0u);
  reset.flags = wire::kRst | wire::kAck;
  reset.acknowledgment = segment.sequence() + data_length + controls;
  return reset;
}

}  // namespace

Segment* make_reset(Buffers& buffers, const Segment* offending) {
  if (offending->protocol != wire::protocol::kTcp || !may_send_error(offending)) return nullptr;
  const wire::TcpView segment{offending->data + offending->l4_offset};
  if ((segment.flags() & wire::kRst) != 0) return nullptr;
  const wire::Tcp reset = reset_for(segment, offending->l4_length - segment.header_length());
  const BuiltPacket packet{wire::destination_of(offending), wire::source_of(offending), wire::protocol::kTcp};
  Segment* frame = build_reply(buffers, offending, packet, reset.size());
  if (frame == nullptr) return nullptr;
  reset.emit({frame->data + frame->l4_offset, reset.size()});
  return finish_packet(frame, wire::TcpView::kChecksum);
}

}  // namespace flatproxy
