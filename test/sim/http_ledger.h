#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "http_plan.h"

namespace flatproxy::sim {

/// A request as it has come to an endpoint.
struct HttpTry {
  uint32_t up = 0;        ///< bytes of content that have come
  bool whole = false;     ///< all of it has
  uint32_t said = 0;      ///< bytes of its response that were sent, head and all
  bool answered = false;  ///< all of it was
};

/// What has become of an exchange.
struct HttpStory {
  enum class End : uint8_t {
    none,
    whole,     ///< a response of an endpoint
    own,       ///< a response of the proxy
    cut,       ///< the connection has ended
    given_up,  ///< by its client
  };
  HttpPlan plan;
  std::vector<HttpTry> tries;
  End end = End::none;
  uint16_t status = 0;    ///< of its response
  uint32_t attempt = 0;   ///< whose response it is
  uint32_t down = 0;      ///< bytes of content that its client has
  uint32_t sendings = 0;  ///< connections on which bytes of it were sent
  uint32_t first = 0;     ///< ids of those that were cut with it, on one connection
  uint32_t last = 0;
};

/// What was planned, and what has become of it, for whoever looks at it.
std::string describe(const HttpStory& story);

/// All exchanges of a run, the n-th with the id n + 1, and what is wrong with them.
class HttpLedger {
 public:
  HttpStory& add(const HttpPlan& plan) {
    stories_.emplace_back().plan = plan;
    return stories_.back();
  }
  /// nullptr: there is none with this number.
  HttpStory* find(int64_t id) {
    return id >= 1 && id <= static_cast<int64_t>(stories_.size()) ? &stories_[static_cast<size_t>(id - 1)] : nullptr;
  }
  const std::deque<HttpStory>& stories() const { return stories_; }

 private:
  std::deque<HttpStory> stories_;
};

}  // namespace flatproxy::sim
