#pragma once

#include <cstdint>

#include "packet/segment.h"
#include "tcp/congestion/hystart.h"
#include "tcp/sequence.h"

namespace flatproxy::tcp {

/// The congestion window of one connection, in bytes, and what its algorithm remembers.
struct CongestionWindow {
  static constexpr uint32_t kNoThreshold = ~0u;

  uint32_t size = 0;
  uint32_t threshold = kNoThreshold;  ///< of slow start
  HyStart slow_start;

  // CUBIC (RFC 9438 section 4.1), in bytes and seconds, moments in milliseconds; epoch_start 0: no epoch of congestion
  // avoidance has begun.
  uint32_t epoch_start = 0;
  uint32_t last_limited = 0;
  float maximum = 0;    ///< W_max
  float inflexion = 0;  ///< K
  float estimate = 0;   ///< W_est
  float before = 0;     ///< cwnd_prior
  float fraction = 0;   ///< growth that is not a whole byte yet

  bool in_slow_start() const { return size < threshold; }
};

/// An acknowledgment of new data outside of recovery.
struct Growth {
  Nanoseconds now;
  Nanoseconds round_trip;  ///< of what was acknowledged, 0: unknown
  Nanoseconds smoothed;    ///< round trip
  Sequence una;            ///< SND.UNA after it
  Sequence next;           ///< SND.NXT
  uint32_t bytes;          ///< newly acknowledged
  uint32_t mss;
  bool limited;  ///< the window, not the application, limits what is sent
};

/// How a window grows and shrinks. One object serves all connections.
class CongestionControl {
 public:
  virtual ~CongestionControl() = default;
  virtual void grow(CongestionWindow& window, const Growth& growth) const = 0;
  /// Congestion was met: sets the threshold to what the window is to become (RFC 5681 section 3.1, equation 4).
  /// @param in_flight bytes
  virtual void shrink(CongestionWindow& window, uint32_t in_flight, uint32_t mss) const = 0;

  static constexpr uint32_t kMinimumSegments = 2;
};

const CongestionControl& cubic();
const CongestionControl& new_reno();

}  // namespace flatproxy::tcp
