#include "http/head_source.h"

#include <algorithm>

namespace flatproxy::http {

bool HeadProgress::is_due(const tcp::ByteQueue& queue, uint32_t most) {
  if (queue.bytes() >= most) return true;
  uint32_t skip = seen_;
  for (const Segment* piece = queue.first(); piece != nullptr; piece = piece->next) {
    if (skip >= piece->length) {
      skip -= piece->length;
      continue;
    }
    if (look_at(piece, skip)) return true;
    skip = 0;
  }
  return false;
}

bool HeadProgress::look_at(const Segment* piece, uint32_t offset) {
  for (; offset < piece->length; ++offset) {
    ++seen_;
    const bool at_start = state_ == State::line_start || state_ == State::return_at_start;
    switch (piece->data[offset]) {
      case '\n':
        if (state_ != State::return_in_line) return true;  // an empty line, or no line end
        state_ = State::line_start;
        break;
      case '\r':
        state_ = at_start ? State::return_at_start : State::return_in_line;
        break;
      default:
        state_ = State::line;
    }
  }
  return false;
}

std::string_view HeadSource::front(const tcp::ByteQueue& queue, uint32_t most) {
  const Segment* first = queue.first();
  if (first == nullptr) return {};
  const uint8_t* data = first->data;
  uint32_t n = std::min({queue.bytes(), most, kMost});
  if (first->length < n) {
    n = queue.peek(copy_.get(), n);
    data = copy_.get();
  }
  return {reinterpret_cast<const char*>(data), n};
}

}  // namespace flatproxy::http
