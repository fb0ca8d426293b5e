#pragma once

#include <cstdint>
#include <type_traits>
#include <vector>

#include "conntrack/flow_record.h"
#include "port/fd.h"

namespace flatproxy {

/// Flow records in a file without a name: memory does not grow with them. It goes with its owner.
class FlowSpool {
 public:
  /// Throws Error ERR_FLATPROXY_FILE: no file can be made in $TMPDIR or /tmp.
  FlowSpool();

  /// Throws Error ERR_FLATPROXY_FILE: there is no room on the disk.
  void push(const FlowRecord& flow);
  /// Everything pushed so far can be read after it. Throws as push().
  void flush();
  uint64_t size() const { return size_; }
  /// Up to `count` records from `first` on. Throws Error ERR_FLATPROXY_FILE.
  std::vector<FlowRecord> read(uint64_t first, uint64_t count) const;

 private:
  static_assert(std::is_trivially_copyable_v<FlowRecord>);
  static constexpr size_t kBatch = 1024;

  Fd file_;
  std::vector<FlowRecord> batch_;
  uint64_t size_ = 0;
};

}  // namespace flatproxy
