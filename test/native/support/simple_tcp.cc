#include "support/simple_tcp.h"

#include <algorithm>

#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"
#include "wire/protocol.h"

namespace flatproxy::test {

SimpleTcp::SimpleTcp(const Ends& ends, uint32_t bytes, Outside outside)
    : ends_(ends),
      opens_(ends.other_port != 0),
      bytes_(bytes),
      outside_(std::move(outside)),
      remote_port_(ends.other_port) {}

void SimpleTcp::step(Nanoseconds now) {
  now_ = now;
  if (!done() && now >= repeat_at_) send_next();
}

void SimpleTcp::arrives(const std::vector<uint8_t>& frame, Nanoseconds now) {
  now_ = now;
  if (frame.size() < wire::kEthernetSize) return;
  const wire::Bytes packet = wire::Bytes(frame).subspan(wire::kEthernetSize);
  const auto ip = wire::Ipv4::parse(packet);
  if (!ip || ip->protocol != wire::protocol::kTcp || ip->total_length > packet.size()) return;
  const wire::Bytes l4 = packet.subspan(ip->size(), ip->total_length - ip->size());
  const auto tcp = wire::Tcp::parse(l4);
  const auto length = static_cast<uint32_t>(l4.size());
  const uint64_t pseudo = wire::sum_pseudo_header(ip->source, ip->destination, wire::protocol::kTcp, length);
  const bool ours = ip->source == ends_.other && ip->destination == ends_.own;
  if (!tcp || !ours || !wire::sum_intact(wire::sum_bytes(l4.data(), length, pseudo))) return;
  if (tcp->destination_port != ends_.own_port || (remote_port_ != 0 && tcp->source_port != remote_port_)) return;
  take_segment(*tcp, l4.subspan(wire::TcpView{l4.data()}.header_length()));
}

void SimpleTcp::take_segment(const wire::Tcp& tcp, wire::Bytes payload) {
  if ((tcp.flags & wire::kRst) != 0) {
    if (knows_peer_ && tcp.sequence == expected_) reset_ = true;
    return;
  }
  if ((tcp.flags & wire::kSyn) != 0 && !knows_peer_) {
    knows_peer_ = true;
    remote_port_ = tcp.source_port;
    expected_ = tcp.sequence + 1;
    repeat_at_ = now_;
  }
  if (!knows_peer_) return;
  peer_window_ = tcp.window;
  if ((tcp.flags & wire::kAck) != 0) {
    const uint32_t acked = tcp.acknowledgment - iss_ - 1;
    if (!open_ && acked == 0) {
      open_ = true;
      repeat_at_ = now_;
    }
    if (open_ && acked > acked_ && acked <= bytes_ + 1) {
      fin_acked_ = acked == bytes_ + 1;
      acked_ = std::min(acked, bytes_);
      repeat_at_ = now_;
    }
  }
  const bool in_order = tcp.sequence == expected_;
  if (in_order && !fin_taken_) {
    for (const uint8_t byte : payload) outside_.take(received_++, byte);
    expected_ += static_cast<uint32_t>(payload.size());
    if ((tcp.flags & wire::kFin) != 0) {
      fin_taken_ = true;
      ++expected_;
    }
  }
  const bool occupies = !payload.empty() || (tcp.flags & (wire::kFin | wire::kSyn)) != 0;
  if (occupies && open_) send(wire::kAck, iss_ + 1 + acked_ + fin_acked_, 0, 0);
}

// The one segment that is under way: the SYN, the next bytes, the FIN. Bytes are sent into a shut window, too: one at a
// time, which asks for it.
void SimpleTcp::send_next() {
  repeat_at_ = now_ + kTimeout;
  if (!open_) {
    if (opens_ || knows_peer_) send(knows_peer_ ? wire::kSyn | wire::kAck : wire::kSyn, iss_, 0, 0);
    return;
  }
  if (acked_ < bytes_) {
    const uint32_t n = std::min({kMss, bytes_ - acked_, std::max(peer_window_, 1u)});
    send(wire::kAck | wire::kPsh, iss_ + 1 + acked_, acked_, n);
  } else if (!fin_acked_) {
    send(wire::kAck | wire::kFin, iss_ + 1 + bytes_, 0, 0);
  } else {
    send(wire::kAck, iss_ + 1 + bytes_, 0, 0);  // is the other side still there?
  }
}

void SimpleTcp::send(uint8_t flags, uint32_t sequence, uint32_t from, uint32_t n) {
  wire::Tcp tcp;
  tcp.source_port = ends_.own_port;
  tcp.destination_port = remote_port_;
  tcp.sequence = sequence;
  tcp.flags = flags;
  if ((flags & wire::kAck) != 0) tcp.acknowledgment = expected_;
  tcp.window = kWindow;
  if ((flags & wire::kSyn) != 0) tcp.options.mss = kMss;
  const uint32_t l4 = tcp.size() + n;
  std::vector<uint8_t> frame(wire::kEthernetSize + wire::kIpv4Size + l4);
  wire::Ethernet{{}, {}, std::nullopt, wire::ether_type::kIpv4}.emit(frame);
  wire::Ipv4 ip;
  ip.total_length = static_cast<uint16_t>(wire::kIpv4Size + l4);
  ip.protocol = wire::protocol::kTcp;
  ip.source = ends_.own;
  ip.destination = ends_.other;
  ip.emit(wire::MutableBytes(frame).subspan(wire::kEthernetSize));
  uint8_t* p = &frame[wire::kEthernetSize + wire::kIpv4Size];
  tcp.emit({p, tcp.size()});
  for (uint32_t i = 0; i < n; ++i) p[tcp.size() + i] = outside_.byte_at(from + i);
  const uint64_t pseudo = wire::sum_pseudo_header(ip.source, ip.destination, wire::protocol::kTcp, l4);
  wire::store16(p + wire::TcpView::kChecksum, wire::finish(wire::sum_bytes(p, l4, pseudo)));
  outside_.send(std::move(frame));
}

}  // namespace flatproxy::test
