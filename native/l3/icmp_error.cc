#include "l3/icmp_error.h"

#include "l3/built_frame.h"
#include "packet/frame.h"
#include "wire/embedded.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tuple_of.h"

namespace flatproxy {
namespace {

constexpr uint32_t kMaxErrorV4 = 576;
constexpr uint32_t kMaxErrorV6 = 1280;
constexpr uint8_t kInternetworkControl = 0xc0;  // RFC 1812 section 4.3.2.5

struct TypeAndCode {
  uint8_t type;
  uint8_t code;
};

// In the order of IcmpError.
constexpr TypeAndCode kV4[] = {{11, 0}, {3, 0}, {3, 1}, {3, 3}, {3, 13}, {3, 4}};
constexpr TypeAndCode kV6[] = {{3, 0}, {1, 0}, {1, 3}, {1, 4}, {1, 1}, {2, 0}};

bool is_one_host(const wire::Address& a) {
  constexpr uint32_t kBroadcast = 0xffffffffu;
  return !a.unspecified() && !a.multicast() && !a.loopback() && !(a.is_v4() && a.v4() == kBroadcast);
}

// Of ICMP, errors (a fragment of one included) and redirects must not cause errors.
bool is_about_errors(const Segment* frame) {
  const bool v4 = frame->family == 4;
  if (frame->protocol != (v4 ? wire::protocol::kIcmp : wire::protocol::kIcmp6)) return false;
  const uint8_t type = frame->data[frame->l4_offset];
  return wire::icmp_is_error(frame->family, type) || type == (v4 ? wire::icmp4::kRedirect : wire::icmp6::kRedirect);
}

}  // namespace

bool may_send_error(const Segment* offending) {
  if (offending->family == 0 || (offending->flags & kLaterFragment) != 0) return false;
  if (wire::load_mac(offending->data).multicast()) return false;
  if (!is_one_host(wire::source_of(offending)) || !is_one_host(wire::destination_of(offending))) return false;
  return !is_about_errors(offending);
}

Segment* make_icmp_error(Buffers& buffers, const Segment* offending, IcmpError error, const wire::Address& source,
                         uint16_t mtu) {
  const bool v4 = offending->family == 4;
  if (!may_send_error(offending) || source.is_v4() != v4) return nullptr;
  const uint32_t headers = (v4 ? wire::kIpv4Size : wire::kIpv6Size) + wire::kIcmpSize;
  const uint32_t packet_end = offending->l4_offset + offending->l4_length;
  const uint32_t quoted = std::min(packet_end - offending->l3_offset, (v4 ? kMaxErrorV4 : kMaxErrorV6) - headers);

  BuiltPacket packet{source, wire::source_of(offending), v4 ? wire::protocol::kIcmp : wire::protocol::kIcmp6};
  if (v4) packet.traffic_class = kInternetworkControl;
  Segment* frame = build_reply(buffers, offending, packet, wire::kIcmpSize + quoted);
  if (frame == nullptr) return nullptr;
  const TypeAndCode what = (v4 ? kV4 : kV6)[static_cast<size_t>(error)];
  const uint32_t rest = error == IcmpError::packet_too_big ? mtu : 0;
  uint8_t* icmp = frame->data + frame->l4_offset;
  wire::Icmp{what.type, what.code, 0, rest}.emit({icmp, wire::kIcmpSize});
  copy_out(offending, offending->l3_offset, icmp + wire::kIcmpSize, quoted);
  return finish_packet(frame, wire::Icmp::kChecksum);
}

}  // namespace flatproxy
