#pragma once

#include "balance/picker.h"
#include "conntrack/region.h"
#include "lane/explain.h"

namespace flatproxy {

/// A lane that has carried nothing: turns begin, no flows are open.
class StartView {
 public:
  explicit StartView(const EndpointHealth& health) : balance_{turns_.data(), open_.data(), failed_.data(), health} {}
  StartView(const StartView&) = delete;
  StartView& operator=(const StartView&) = delete;

  LaneView view() const { return LaneView{balance_}; }

 private:
  Region<uint32_t> turns_{kMaxServices};
  Region<uint32_t> open_{kMaxEndpoints};
  Region<uint32_t> failed_{kMaxEndpoints};
  LaneBalance balance_;
};

}  // namespace flatproxy
