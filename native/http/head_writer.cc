#include "http/head_writer.h"

#include <algorithm>
#include <utility>

namespace flatproxy::http {

void HeadWriter::write_on(std::string_view text) {
  while (!text.empty() && !failed_) {
    if (piece_ == nullptr || piece_->tailroom() == 0) {
      if (piece_ != nullptr) written_.push(std::exchange(piece_, nullptr));
      piece_ = buffers_.small.allocate(0);
      failed_ = piece_ == nullptr;
      continue;
    }
    const std::string_view part = text.substr(0, piece_->tailroom());
    *this << part;
    text.remove_prefix(part.size());
  }
}

tcp::ByteQueue HeadWriter::finish() {
  if (piece_ != nullptr) {
    if (piece_->length > 0) {
      written_.push(piece_);
    } else {
      drop(piece_);
    }
    piece_ = nullptr;
  }
  if (std::exchange(failed_, false)) written_.clear();
  return std::move(written_);
}

}  // namespace flatproxy::http
