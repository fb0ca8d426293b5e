#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "tcp/byte_queue.h"
#include "tcp/sequence.h"
#include "wire/tcp_options.h"

namespace flatproxy::tcp {

/// What a connection has received ahead of a gap: runs of bytes in order of sequence. A byte that was there first stays
/// (a segment that overlaps it cannot change it). Finding a run is a binary search, and there are at most kMaxRuns.
class Reassembly {
 public:
  static constexpr uint32_t kMaxRuns = 1024;

  bool empty() const { return runs_.empty(); }
  uint32_t held() const { return held_; }                 ///< bytes of memory
  Sequence begin() const { return runs_.front().begin; }  ///< of the first run; not empty
  uint32_t runs() const { return static_cast<uint32_t>(runs_.size()); }

  /// Takes data of which none is in order yet. Returns how many bytes were new. What finds no room among the runs is
  /// released: its sender will repeat it.
  uint32_t insert(Sequence begin, ByteQueue&& data, Buffers& buffers);

  /// Moves what follows `next` without a gap into a queue; returns the sequence number after it.
  Sequence deliver(Sequence next, ByteQueue& into);

  /// The blocks of a selective acknowledgment, the one that has changed last in front (RFC 2018 section 4).
  /// @return how many, at most `room`
  uint8_t report(wire::SackBlock* blocks, uint8_t room);
  /// The run around a sequence number, if there is one (RFC 2883 section 4.2: what a duplicate block lies in).
  bool run_around(Sequence at, wire::SackBlock& block) const;

  /// Releases runs from the far end until at most `held` bytes of memory are left (RFC 2018 section 8 lets the
  /// receiver).
  void shed(uint32_t held);
  void clear();

 private:
  struct Run {
    Sequence begin;
    Sequence end;
    ByteQueue data;
  };
  size_t first_ending_at_or_after(Sequence at) const;
  bool place(Sequence begin, ByteQueue&& data, size_t index, Buffers& buffers);
  void touched(const Run& run);

  std::vector<Run> runs_;
  uint32_t held_ = 0;
  // Somewhere in the runs that have changed last, the latest in front.
  std::array<Sequence, wire::TcpOptions::kMaxSackBlocks> latest_{};
  uint8_t latest_count_ = 0;
};

}  // namespace flatproxy::tcp
