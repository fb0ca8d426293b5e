#include <algorithm>

#include "tcp/congestion/congestion.h"

namespace flatproxy::tcp {
namespace {

/// RFC 5681 with appropriate byte counting (RFC 3465).
class NewReno : public CongestionControl {
 public:
  void grow(CongestionWindow& window, const Growth& growth) const override {
    if (!growth.limited) return;
    uint32_t bytes = growth.bytes;
    if (window.in_slow_start()) {
      const uint32_t step = std::min(bytes, window.threshold - window.size);
      window.size += step;
      bytes -= step;
    }
    if (bytes == 0) return;
    window.fraction += static_cast<float>(bytes) * static_cast<float>(growth.mss) / static_cast<float>(window.size);
    const auto whole = static_cast<uint32_t>(window.fraction);
    window.size += whole;
    window.fraction -= static_cast<float>(whole);
  }
  void shrink(CongestionWindow& window, uint32_t in_flight, uint32_t mss) const override {
    window.threshold = std::max(in_flight / 2, kMinimumSegments * mss);
    window.fraction = 0;
  }
};

}  // namespace

const CongestionControl& new_reno() {
  static const NewReno algorithm;
  return algorithm;
}

}  // namespace flatproxy::tcp
