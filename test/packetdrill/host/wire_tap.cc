#include "wire_tap.h"

#include "packet/frame.h"
#include "packet/reason.h"
#include "port/prepare.h"
#include "port/tcp_cutter.h"
#include "wire/ethernet.h"
#include "wire/parse.h"

namespace flatproxy::packetdrill {

void WireTap::send(Segment* frame) {
  if (frame->gso_size == 0) return record(frame);
  TcpCutter cutter(frame, 65535, false);
  while (!cutter.done()) {
    if (Segment* packet = cutter.next(buffers_); packet != nullptr) record(packet);
  }
  release(frame);
}

void WireTap::record(Segment* frame) {
  complete_checksum(frame);
  SentPacket packet{std::vector<uint8_t>(frame->frame_length - wire::kEthernetSize), now_us_};
  copy_out(frame, wire::kEthernetSize, packet.bytes.data(), static_cast<uint32_t>(packet.bytes.size()));
  sent_.push_back(std::move(packet));
  release(frame);
}

Segment* frame_of_packet(const uint8_t* packet, size_t size, Buffers& buffers) {
  Segment* frame = buffers.small.allocate();
  if (frame == nullptr) return nullptr;
  const bool v4 = size > 0 && packet[0] >> 4 == 4;
  const wire::Ethernet ethernet{{}, {}, std::nullopt, v4 ? wire::ether_type::kIpv4 : wire::ether_type::kIpv6};
  frame->length = frame->frame_length = ethernet.size();
  ethernet.emit({frame->data, frame->length});
  Reason why;
  if (append(frame, packet, static_cast<uint32_t>(size), buffers) && wire::parse_frame(frame, why)) return frame;
  release(frame);
  return nullptr;
}

}  // namespace flatproxy::packetdrill
