#include "health/probe_packet.h"

#include "l3/built_frame.h"
#include "wire/protocol.h"
#include "wire/tcp.h"

namespace flatproxy {
namespace {

/// What every path carries (RFC 9293 section 3.7.1); nothing is to follow the SYN in any case.
constexpr uint16_t kMss4 = 536;
constexpr uint16_t kMss6 = 1220;
constexpr uint16_t kWindow = 1024;

}  // namespace

Segment* make_probe_frame(Buffers& buffers, const ProbePacket& packet) {
  wire::Tcp tcp;
  tcp.source_port = packet.tuple.source_port;
  tcp.destination_port = packet.tuple.destination_port;
  tcp.sequence = packet.sequence;
  tcp.flags = packet.flags;
  if ((packet.flags & wire::kSyn) != 0) {
    tcp.window = kWindow;
    tcp.options.mss = packet.tuple.family == 4 ? kMss4 : kMss6;
  }
  const BuiltPacket ip{packet.tuple.source, packet.tuple.destination, wire::protocol::kTcp};
  Segment* frame = build_packet(buffers, {}, {}, 0, ip, tcp.size());
  if (frame == nullptr) return nullptr;
  tcp.emit({frame->data + frame->l4_offset, tcp.size()});
  return finish_packet(frame, wire::TcpView::kChecksum);
}

}  // namespace flatproxy
