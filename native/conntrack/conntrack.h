#pragma once

#include <cstdint>

#include "conntrack/flow_settings.h"
#include "conntrack/flow_table.h"
#include "conntrack/tcp_track.h"
#include "conntrack/tcp_window.h"
#include "packet/frame.h"
#include "packet/reason.h"
#include "packet/segment.h"

namespace flatproxy {

/// Hears of flows as they go. Called on the lane, so short.
class FlowListener {
 public:
  virtual ~FlowListener() = default;
  /// The flow is still readable.
  virtual void flow_closing(FlowId id) = 0;
};

/// The flows of a lane, moved on by their packets: TCP with window tracking, UDP, ICMP echo.
/// Time is the lane's clock in milliseconds.
class Conntrack {
 public:
  Conntrack(uint32_t capacity, const HashKey& key, FlowListener& listener)
      : table_(capacity, key), listener_(listener) {}

  /// Takes over timeouts and rules; flows that run keep the time they were given.
  void configure(const FlowSettings& settings);

  /// Judges a packet of a flow. True: it belongs, the flow has moved on and has counted it. False: `why` tells.
  /// Reason::forwarded in `why` with false: the flow was over and is closed; the packet opens a new one.
  bool update(FlowMatch match, const Segment* head, uint32_t now, Reason& why) {
    FlowHot& flow = table_.hot(match.id);
    const bool settled =
        flow.protocol == kTcp && (flow.flags & kFlowAssured) != 0 && (head->flags & kLaterFragment) == 0;
    if (!settled || !tcp_track_established(flow, read_tcp_header(head), match.direction)) [[unlikely]]
      return update_unusual(match, head, now, why);
    count(match, head, now);
    return true;
  }

  /// How update() would judge a packet of a TCP flow; nothing changes.
  TcpJudgement foresee(FlowMatch match, const Segment* head) const;

  /// Opens a flow for a packet without one, and counts the packet. kNoFlow: `why` tells.
  /// @param direction which way the packet goes along the flow: a reply that was adopted opens it backwards
  FlowId open(const Tuple& original, uint64_t hash, const Segment* head, Direction direction,
              const Translation* translation, uint32_t now, Reason& why);

  /// Closes flows whose time is over; looks at `budget` of them at most. True: those were all.
  bool expire(uint32_t now, unsigned budget);
  void close(FlowId id) {
    listener_.flow_closing(id);
    table_.close(id);
  }

  FlowTable& table() { return table_; }
  const FlowTable& table() const { return table_; }
  uint64_t evicted() const { return evicted_; }

 private:
  static constexpr uint8_t kTcp = 6;

  bool update_unusual(FlowMatch match, const Segment* head, uint32_t now, Reason& why);
  bool update_tcp(FlowMatch match, const Segment* head, Reason& why);
  void update_datagram(FlowMatch match);
  void count(FlowMatch match, const Segment* head, uint32_t now) {
    table_.hot(match.id).last_seen = now;
    FlowCold& cold = table_.cold(match.id);
    cold.bytes[match.direction] += head->l4_offset - head->l3_offset + head->l4_length;
    if (match.direction == kOriginal) {
      cold.packets_0 += wire_segments(head);
    } else {
      cold.packets_1 += wire_segments(head);
    }
  }

  FlowTable table_;
  FlowListener& listener_;
  StateTimeouts timeouts_{};
  bool adopt_ = true;
  uint64_t evicted_ = 0;
};

}  // namespace flatproxy
