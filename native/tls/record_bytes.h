#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "tcp/byte_queue.h"
#include "tls/record_engine.h"

namespace flatproxy::tls {

/// The pieces of a record's content. One that has come in more of them than fit here is copied into fewer.
class PieceList {
 public:
  static constexpr uint32_t kMost = 64;

  /// @param bytes a queue  @param skip bytes that are not content  @param length of the content, behind them
  PieceList(const tcp::ByteQueue& bytes, uint32_t skip, uint32_t length);

  std::span<const Piece> span() const { return {pieces_.data(), count_}; }

 private:
  std::array<Piece, kMost> pieces_;
  uint32_t count_ = 0;
};

/// What of a record's bytes must be copied before they are worked on in place.
struct Copying {
  bool all;           ///< there are too many pieces
  uint32_t shared;    ///< pieces that others read as well
  uint32_t segments;  ///< small ones that copies need, at most

  bool any() const { return all || shared > 0; }
};
/// Of the first n bytes of a queue (n <= bytes()).
Copying copying_of(const tcp::ByteQueue& bytes, uint32_t n);

/// Replaces what must be copied, which is what copying_of() says, and for which there are segments enough.
void make_own(tcp::ByteQueue& bytes, const Copying& copying, Buffers& buffers);

}  // namespace flatproxy::tls
