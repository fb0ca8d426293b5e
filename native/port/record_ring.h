#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "conntrack/region.h"

namespace flatproxy {

/// Records of bytes on their way from one producer thread to one consumer thread, in order, each in one piece.
/// Lock-free and bounded: when the consumer is behind there is no room, and what becomes of the record is the
/// producer's to say.
class RecordRing {
 public:
  /// @param size bytes of all records, with 8 more for each and up to 7 behind; a power of two
  explicit RecordRing(uint32_t size) : size_(size), bytes_(size) {}

  /// Producer. Room for a record of so many bytes, at least one, aligned to 8; nullptr: there is none.
  std::byte* reserve(uint32_t size);
  /// Producer. The record that reserve() made room for is whole.
  void commit() { tail_.store(reserved_, std::memory_order_release); }

  /// Consumer. The next record; empty: there is none. It stays until release().
  std::span<const std::byte> read();
  /// Consumer. Gives the room of all records that were read back.
  void release() { head_.store(read_, std::memory_order_release); }

 private:
  /// What stands in front of each record.
  struct Head {
    uint32_t whole;   // bytes from this head to the next one
    uint32_t length;  // of the record; 0: there is none, only the end of the memory
  };
  static constexpr uint32_t kAlignment = 8;
  static_assert(sizeof(Head) == kAlignment);

  std::byte* at(uint64_t place) { return bytes_.data() + place % size_; }
  Head head_at(uint64_t place);
  void put_head(uint64_t place, Head head);

  const uint32_t size_;
  Region<std::byte> bytes_;
  alignas(64) std::atomic<uint64_t> tail_{0};
  uint64_t reserved_ = 0;  // the producer's
  alignas(64) std::atomic<uint64_t> head_{0};
  uint64_t read_ = 0;  // the consumer's
};

}  // namespace flatproxy
