#include "tcp/arrival.h"

#include "packet/frame.h"
#include "wire/checksum.h"
#include "wire/ecn.h"

namespace flatproxy::tcp {

Arrival::Fault Arrival::read(const Segment* frame) {
  const wire::TcpView view{frame->data + frame->l4_offset};
  const bool verified = (frame->flags & (kChecksumValid | kNeedsChecksum)) != 0;
  if (!verified && !wire::sum_intact(wire::sum_l4(frame))) return Fault::checksum;
  if (!options.read(view.options())) return Fault::options;
  sequence = view.sequence();
  acknowledgment = view.acknowledgment();
  payload = frame->l4_length - view.header_length();
  segments = wire_segments(frame);
  window = view.window();
  flags = view.flags();
  congestion = wire::ecn_of(frame) == wire::kCongestionExperienced;
  return Fault::none;
}

void Arrival::take(Segment* frame) {
  if (payload == 0) {
    release(frame);
  } else {
    data.push_frame(frame, frame->payload_offset, payload);
  }
}

}  // namespace flatproxy::tcp
