#include "port/prepare.h"

#include "packet/frame.h"
#include "port/tcp_cutter.h"
#include "wire/bytes.h"
#include "wire/checksum.h"

namespace flatproxy {
namespace {

uint16_t flags_of_all(Burst& burst) {
  uint16_t flags = 0;
  for (const Segment* frame : burst) flags |= frame->flags;
  return flags;
}

/// One pass over a burst: `ready_` collects what the port can take, `kept_` what stays with the caller.
class Preparation {
 public:
  Preparation(const PortInfo& info, QueueContext& context, WireSender& to) : info_(info), context_(context), to_(to) {}

  void run(Burst& burst) {
    for (Segment* frame : burst) take(frame);
    flush();
    burst = kept_;
  }

 private:
  void take(Segment* frame) {
    if (!full_ && needs_cutting(frame, info_.offloads)) {
      if (flush() && cut(frame)) return;
    } else if (!full_ && (info_.offloads.checksum || complete_checksum(frame))) {
      ready_.push(frame);
      return;
    }
    kept_.push(frame);
  }

  // False: the port is full, and what it did not take is kept.
  bool flush() {
    if (ready_.count > 0) to_.send_wire(context_, ready_);
    full_ |= ready_.count > 0;
    for (Segment* frame : ready_) kept_.push(frame);
    ready_.count = 0;
    return !full_;
  }

  // False: the frame, or the rest of it, is still there.
  bool cut(Segment* frame) {
    TcpCutter cutter(frame, info_.mtu, info_.offloads.checksum);
    if (!cutter.valid()) return false;
    uint32_t sent = 0;
    for (uint32_t made = 1; made > 0 && !cutter.done() && !full_;) {
      Burst packets;
      made = fill(packets, cutter);
      if (made > 0) to_.send_wire(context_, packets);
      sent += made - packets.count;
      full_ = packets.count > 0;
      for (Segment* packet : packets) release(packet);
    }
    if (sent == cutter.packets()) {
      release(frame);
      return true;
    }
    cutter.drop_first(sent);
    return false;
  }

  uint32_t fill(Burst& packets, TcpCutter& cutter) {
    while (!cutter.done() && !packets.full()) {
      Segment* packet = cutter.next(context_.buffers);
      if (packet == nullptr) break;
      packets.push(packet);
    }
    return packets.count;
  }

  const PortInfo& info_;
  QueueContext& context_;
  WireSender& to_;
  Burst ready_;
  Burst kept_;
  bool full_ = false;
};

}  // namespace

bool complete_checksum(Segment* frame) {
  if ((frame->flags & kNeedsChecksum) == 0) return true;
  const uint32_t field = uint32_t{frame->checksum_start} + frame->checksum_offset;
  if (!pull_up(frame, field + 2)) return false;
  // The field holds the pseudo-header's sum, so the sum over it is the whole one. Zero is sent as its other form, which
  // UDP demands (RFC 768) and TCP permits.
  const uint32_t start = frame->checksum_start;
  const uint16_t sum = wire::finish(wire::sum_chain(frame, start, frame->frame_length - start));
  wire::store16(frame->data + field, sum == 0 ? uint16_t{0xffff} : sum);
  frame->flags &= static_cast<uint16_t>(~kNeedsChecksum);
  return true;
}

bool needs_cutting(const Segment* frame, const PortOffloads& offloads) {
  return (frame->flags & offloads.lacking() & (kGsoTcp4 | kGsoTcp6)) != 0;
}

void prepare_for_send(const PortInfo& info, QueueContext& context, Burst& burst, WireSender& to) {
  const uint16_t lacking = info.offloads.lacking();
  if (lacking == 0 || (flags_of_all(burst) & lacking) == 0) [[likely]] {
    if (burst.count > 0) to.send_wire(context, burst);
    return;
  }
  Preparation(info, context, to).run(burst);
}

}  // namespace flatproxy
