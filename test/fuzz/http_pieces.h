#pragma once

#include <algorithm>
#include <array>
#include <string_view>

#include "exact_segments.h"
#include "tcp/byte_queue.h"

namespace flatproxy::fuzz {

/// How bytes are cut into pieces: their lengths, in turn.
using Lengths = std::array<size_t, 3>;

/// Gives bytes piece by piece, each in memory of its own, to `take`.
template <typename Take>
void in_pieces(std::string_view bytes, const Lengths& lengths, ExactSegments& segments, Take take) {
  for (size_t i = 0; !bytes.empty(); ++i) {
    const size_t n = std::min(lengths[i % lengths.size()], bytes.size());
    tcp::ByteQueue piece;
    piece.push(segments.make(reinterpret_cast<const uint8_t*>(bytes.data()), n, 0));
    bytes.remove_prefix(n);
    take(std::move(piece));
  }
}

/// In one piece, byte by byte, and as the first three bytes of an input say. Long inputs are not read byte by byte:
/// what looks at each piece again would take most of the time.
inline std::array<Lengths, 3> ways_to_cut(const uint8_t* input, size_t n) {
  const Lengths chosen{input[0] % 64 + 1u, input[1] % 64 + 1u, input[2] % 64 + 1u};
  return {Lengths{n, n, n}, n <= 1024 ? Lengths{1, 1, 1} : chosen, chosen};
}

}  // namespace flatproxy::fuzz
