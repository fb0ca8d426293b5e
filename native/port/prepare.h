#pragma once

#include "packet/burst.h"
#include "port/port.h"

namespace flatproxy {

/// Fills in the checksum of a kNeedsChecksum frame, across segment borders, and clears the flag. Frames without the
/// flag stay as they are. False: the field lies outside the frame, or not where it can be written; the frame is
/// unchanged.
bool complete_checksum(Segment* frame);

/// True: the frame is a large one that a port with these offloads can't take whole.
bool needs_cutting(const Segment* frame, const PortOffloads& offloads);

/// Where prepared frames go: what is left of a port's send() when every frame is as the port can take it.
class WireSender {
 public:
  /// As PortQueue::send(): sends in order and releases; what found no room stays in the burst, compacted.
  virtual void send_wire(QueueContext& context, Burst& burst) = 0;

 protected:
  ~WireSender() = default;
};

/// A port's send() for frames that ask for more than the port's offloads: large TCP frames are cut into packets within
/// its MTU, checksums filled in, the rest passed on. Frames that could not be sent stay in the burst, compacted:
/// malformed ones, and those for which the port or the buffers had no room (of a large frame: what was not sent).
void prepare_for_send(const PortInfo& info, QueueContext& context, Burst& burst, WireSender& to);

}  // namespace flatproxy
