// The chunked coding, whole and in pieces, passed on and decoded: all agree about the data, its end and errors; what is
// passed on reads the same again. An input is three lengths of pieces and the coding.
#include <string>

#include "http/chunked.h"
#include "http_pieces.h"

namespace {

using namespace flatproxy;
using fuzz::require;
using http::ChunkedReader;
using http::ParseError;

struct Taken {
  std::string out;
  size_t consumed = 0;  // not beyond the end
  uint64_t data_bytes = 0;
  ParseError error = ParseError::none;
  bool done = false;
};

struct Context {
  Buffers buffers;
  fuzz::ExactSegments segments;
};

Taken take(std::string_view bytes, ChunkedReader::Form form, const fuzz::Lengths& lengths, Context& context) {
  Taken taken;
  ChunkedReader reader(form);
  tcp::ByteQueue in;
  tcp::ByteQueue out;
  fuzz::in_pieces(bytes, lengths, context.segments, [&](tcp::ByteQueue piece) {
    in.append(std::move(piece));
    if (taken.error == ParseError::none) taken.error = reader.take(in, out, context.buffers);
  });
  taken.out.resize(out.bytes());
  out.peek(reinterpret_cast<uint8_t*>(taken.out.data()), out.bytes());
  taken.consumed = bytes.size() - in.bytes();
  taken.data_bytes = reader.data_bytes();
  taken.done = reader.done();
  return taken;
}

/// In pieces, what is in front of an error may have been passed on, and then is the same.
void check_same(const Taken& pieces, const Taken& whole) {
  require(pieces.error == whole.error && pieces.done == whole.done && pieces.data_bytes == whole.data_bytes);
  if (whole.error == ParseError::none) {
    require(pieces.out == whole.out && pieces.consumed == whole.consumed);
  } else {
    require(std::string_view(pieces.out).starts_with(whole.out));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  static Context context;
  const std::string_view coding(reinterpret_cast<const char*>(data) + 3, size - 3);
  const auto ways = fuzz::ways_to_cut(data, coding.size());
  const Taken coded = take(coding, ChunkedReader::Form::coded, ways[0], context);
  const Taken plain = take(coding, ChunkedReader::Form::plain, ways[0], context);
  for (const fuzz::Lengths& lengths : ways) {
    check_same(take(coding, ChunkedReader::Form::coded, lengths, context), coded);
    check_same(take(coding, ChunkedReader::Form::plain, lengths, context), plain);
  }
  require(plain.error == coded.error && plain.done == coded.done && plain.data_bytes == coded.data_bytes);
  if (coded.error == ParseError::none) {
    require(plain.out.size() == plain.data_bytes && plain.consumed == coded.consumed);
    const fuzz::Lengths one = {coded.out.size(), coded.out.size(), coded.out.size()};
    require(take(coded.out, ChunkedReader::Form::plain, one, context).out == plain.out);
    const Taken again = take(coded.out, ChunkedReader::Form::coded, one, context);
    require(again.out == coded.out && again.done == coded.done && again.error == ParseError::none);
  }
  require(context.segments.alive() == 0 && context.buffers.loans.in_use() == 0);
  return 0;
}
