#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "lane/explain.h"
#include "packet/buffers.h"
#include "packet/segment.h"
#include "wire/address.h"

namespace flatproxy {

class Lane;

/// A frame that is asked about, in memory of its own.
class FrameInHand {
 public:
  static constexpr uint32_t kMost = 14 + 4 + 65535;  ///< bytes: a tagged frame with the largest packet

  /// @throws Error ERR_FLATPROXY_ARGUMENT for a frame without a byte, or with more than kMost
  explicit FrameInHand(std::span<const uint8_t> bytes);
  ~FrameInHand();
  FrameInHand(const FrameInHand&) = delete;
  FrameInHand& operator=(const FrameInHand&) = delete;

  Segment* segment() { return head_; }

  /// Of a later fragment: the ports that its packet's first one has told, where a lane knows them.
  std::optional<uint32_t> ports;

 private:
  Buffers buffers_;
  Segment* head_;
};

/// What can be read of a frame.
struct FrameSummary {
  enum class Kind : uint8_t { bytes, ethernet, arp, ip };

  Kind kind = Kind::bytes;
  wire::Mac source;       ///< of all but `bytes`
  wire::Mac destination;  ///< likewise
  FirstPacket packet;     ///< of `ip`
};

struct FrameExplanation {
  FrameSummary of;
  Explanation said;
  bool known = false;             ///< it belongs to something that runs on the lane
  std::optional<uint32_t> ports;  ///< of a later fragment, as the lane knows them
};

/// What becomes of a frame that comes by a port, with what it is before the flow's own: frames that are malformed, link
/// messages, fragments, errors. Nothing changes but the frame, which is not to be used again. What explain() does not
/// look at is not looked at here either.
/// @param running the lane whose flows and connections are known; nullptr: there are none
FrameExplanation explain_frame(const Snapshot& snapshot, uint16_t port, FrameInHand& frame, const LaneView& view,
                               Lane* running);

}  // namespace flatproxy
