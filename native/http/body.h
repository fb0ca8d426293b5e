#pragma once

#include <algorithm>
#include <cstdint>

#include "http/chunked.h"
#include "http/message.h"

namespace flatproxy::http {

/// Takes the body of one message out of a stream of bytes, and nothing behind it.
class BodyReader {
 public:
  /// A body begins. @param form what is passed on of a chunked one
  void begin(const Body& body, ChunkedReader::Form form = ChunkedReader::Form::coded) {
    kind_ = body.kind;
    remaining_ = body.length;
    data_bytes_ = 0;
    if (kind_ == BodyKind::chunked) chunked_ = ChunkedReader(form);
  }

  /// Moves what is there of it from `in` to `out`.
  ParseError take(tcp::ByteQueue& in, tcp::ByteQueue& out, Buffers& buffers) {
    if (kind_ == BodyKind::chunked) return chunked_.take(in, out, buffers);
    const uint32_t n = kind_ == BodyKind::length ? static_cast<uint32_t>(std::min<uint64_t>(remaining_, in.bytes()))
                       : kind_ == BodyKind::until_close ? in.bytes()
                                                        : 0;
    const uint32_t rest = in.bytes() - n;
    out.append(in.cut_front(n, buffers));
    if (in.bytes() != rest) return ParseError::no_buffers;
    remaining_ -= kind_ == BodyKind::length ? n : 0;
    data_bytes_ += n;
    return ParseError::none;
  }

  /// All of it was taken.
  bool done() const {
    switch (kind_) {
      case BodyKind::none:
        return true;
      case BodyKind::length:
        return remaining_ == 0;
      case BodyKind::chunked:
        return chunked_.done();
      case BodyKind::until_close:
        return false;
    }
    return true;
  }
  /// Whether the body is whole when the other side has closed its connection.
  bool ends_with_close() const { return kind_ == BodyKind::until_close || done(); }
  /// Bytes of content that were taken; what codes them is not counted.
  uint64_t data_bytes() const { return kind_ == BodyKind::chunked ? chunked_.data_bytes() : data_bytes_; }
  BodyKind kind() const { return kind_; }

 private:
  uint64_t remaining_ = 0;
  uint64_t data_bytes_ = 0;
  ChunkedReader chunked_;
  BodyKind kind_ = BodyKind::none;
};

}  // namespace flatproxy::http
