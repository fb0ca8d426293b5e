#pragma once

#include <array>
#include <optional>

#include "wire/bytes.h"

namespace flatproxy::wire {

/// A block of a selective acknowledgment: [begin, end).
struct SackBlock {
  uint32_t begin = 0;
  uint32_t end = 0;
  bool operator==(const SackBlock&) const = default;
};

struct TcpTimestamps {
  uint32_t value = 0;
  uint32_t echo = 0;
  bool operator==(const TcpTimestamps&) const = default;
};

/// The TCP options that flatproxy knows (RFC 9293, RFC 7323, RFC 2018). Others are skipped.
struct TcpOptions {
  static constexpr uint8_t kEnd = 0, kNop = 1, kMss = 2, kWindowScale = 3, kSackPermitted = 4, kSack = 5,
                           kTimestamps = 8;
  static constexpr uint8_t kMaxSackBlocks = 4;

  std::optional<uint16_t> mss;
  std::optional<uint8_t> window_scale;  ///< as sent; above 14 counts as 14 (RFC 7323 section 2.3)
  bool sack_permitted = false;
  std::optional<TcpTimestamps> timestamps;
  uint8_t sack_count = 0;
  std::array<SackBlock, kMaxSackBlocks> sack{};

  /// Nothing when an option's length is wrong or leads beyond the bytes given. Of repeated options the last one counts.
  static std::optional<TcpOptions> parse(Bytes bytes);
  /// The same, into options that hold nothing yet: without a copy.
  bool read(Bytes bytes);
  /// Bytes that emit() writes, a multiple of 4. More than 40 fit no header: with timestamps, 3 SACK blocks at most.
  uint32_t size() const {
    const bool together = sack_permitted && timestamps;
    return (mss ? 4u : 0) + (window_scale ? 4u : 0) + (sack_permitted && !together ? 4u : 0) + (timestamps ? 12u : 0) +
           (sack_count > 0 ? 4u + 8u * sack_count : 0);
  }
  /// Writes size() bytes; `out` holds at least that many.
  void emit(MutableBytes out) const;
  bool operator==(const TcpOptions&) const = default;
};

}  // namespace flatproxy::wire
