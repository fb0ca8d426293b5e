// Received frames, in segments of any lengths: the parser, and what the lane does with a frame that it let pass.
// Input: flags, GSO, the room behind the head, the lengths of up to 3 segments, then the frame.
#include <algorithm>
#include <cstdint>

#include "exact_segments.h"
#include "l3/echo_reply.h"
#include "l3/icmp_error.h"
#include "l3/tcp_reset.h"
#include "packet/frame.h"
#include "wire/checksum.h"
#include "wire/embedded.h"
#include "wire/fragment.h"
#include "wire/parse.h"
#include "wire/protocol.h"
#include "wire/roce.h"
#include "wire/tcp.h"
#include "wire/tuple_of.h"

namespace {

using namespace flatproxy;
using fuzz::require;

constexpr size_t kPrefix = 6;
constexpr uint32_t kMaxFrame = 4096;

Segment* frame_of(fuzz::ExactSegments& segments, const uint8_t* data, size_t size) {
  const size_t total = std::min<size_t>(size - kPrefix, kMaxFrame);
  Segment* head = segments.frame(data + kPrefix, total, data + 3, 3, data[2]);
  head->flags = static_cast<uint16_t>(data[0] & (kNeedsChecksum | kChecksumValid));
  head->gso_size = data[1] < 128 ? 0 : static_cast<uint16_t>(data[1] * 8);
  return head;
}

uint32_t chain_length(const Segment* head) {
  uint32_t length = 0;
  for (const Segment* s = head; s != nullptr; s = s->next) length += s->length;
  return length;
}

void check_offsets(const Segment* head) {
  require(chain_length(head) == head->frame_length);
  require(head->l3_offset <= head->l4_offset && head->l4_offset <= head->payload_offset);
  require(head->payload_offset <= head->length);
  require(head->l4_offset + head->l4_length <= head->frame_length);
  require(head->payload_offset - head->l4_offset <= static_cast<int64_t>(head->l4_length));
  require(head->family == 0 || head->family == 4 || head->family == 6);
}

/// What a parser learned about a frame.
struct Shape {
  uint32_t offsets = 0;
  uint32_t l4_length = 0;
  uint32_t l4_ports = 0;
  uint32_t kind = 0;
  bool operator==(const Shape&) const = default;
};

Shape shape_of(const Segment* head) {
  return {static_cast<uint32_t>(head->l3_offset | head->l4_offset << 8 | head->payload_offset << 16), head->l4_length,
          head->l4_ports, static_cast<uint32_t>(head->ether_type | head->family << 16 | head->protocol << 24)};
}

void check_embedded(Segment* head) {
  if (!wire::is_icmp_error(head)) return;
  Tuple tuple;
  wire::EmbeddedView view;
  Reason why = Reason::count;
  if (!wire::embedded_tuple(head, tuple, view, why)) return require(why != Reason::count);
  require(view.l3_offset < view.l4_offset && view.l4_offset + 8u <= head->length);
  require(!view.has_l4_checksum || view.checksum_offset + 2u <= head->length);
  require(tuple.family == head->family);
}

void check_roce(const Segment* head) {
  const wire::Bytes payload(head->data + head->payload_offset, head->length - head->payload_offset);
  const auto bth = wire::Bth::parse(payload);
  require(!bth || payload.size() >= wire::kBthSize);
  if (!bth) return;
  uint8_t bytes[wire::kBthSize];
  bth->emit(bytes);
  require(wire::Bth::parse(bytes) == bth);
  require(!wire::is_roce_nak(*bth, payload) || wire::roce_class(bth->opcode) == wire::RoceClass::ack);
}

void check_built(Segment* built) {
  if (built == nullptr) return;
  Reason why = Reason::count;
  require(wire::parse_frame(built, why));
  require(wire::sum_intact(wire::sum_l4(built)));
  check_offsets(built);
  release(built);
}

void answer(Buffers& buffers, Segment* head) {
  const wire::Address ours = *wire::Address::parse(head->family == 4 ? "192.0.2.1" : "2001:db8::1");
  check_built(make_icmp_error(buffers, head, static_cast<IcmpError>(head->frame_length % 6), ours, 1400));
  check_built(make_reset(buffers, head));
  if (!is_echo_request(head)) return;
  const bool intact = wire::sum_intact(wire::sum_l4(head));
  make_echo_reply(head);
  require(wire::sum_intact(wire::sum_l4(head)) == intact || (head->flags & kNeedsChecksum) != 0);
}

/// What the short way finds, asked for the frame's own destination; nothing where it leaves the frame to parse_frame().
Shape ordinary_shape(Segment* head) {
  const wire::Mac to = head->length < 6 ? wire::Mac{} : wire::load_mac(head->data);
  wire::OrdinaryPacket packet;
  if (!wire::judge_ordinary_frame(head, wire::start_of(to), packet)) return {};
  wire::record(head, packet);
  return shape_of(head);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < kPrefix) return 0;
  static Buffers& buffers = *new Buffers(16, 16);
  static fuzz::ExactSegments& segments = *new fuzz::ExactSegments;
  Segment* head = frame_of(segments, data, size);
  Reason why = Reason::count;
  const Shape ordinary = ordinary_shape(head);
  if (!wire::parse_frame(head, why)) {
    require(ordinary == Shape{});
    require(why != Reason::count && info(why).verdict == Verdict::drop);
  } else {
    require(ordinary == Shape{} || ordinary == shape_of(head));
    check_offsets(head);
    if (head->family != 0) {
      require(wire::tuple_of(head).protocol == head->protocol);
      if ((head->flags & (kFirstFragment | kLaterFragment)) != 0) {
        require((wire::fragment_of(head).offset != 0) == ((head->flags & kLaterFragment) != 0));
      } else if (head->protocol == wire::protocol::kTcp) {
        wire::TcpOptions::parse(wire::TcpView{head->data + head->l4_offset}.options());
      } else if (head->protocol == wire::protocol::kUdp) {
        check_roce(head);
      }
      check_embedded(head);
      answer(buffers, head);
    }
  }
  release(head);
  require(segments.alive() == 0 && buffers.small.in_use() == 0);
  return 0;
}
