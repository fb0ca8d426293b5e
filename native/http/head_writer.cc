#include "http/head_writer.h"

#include <utility>

namespace flatproxy::http {

void HeadWriter::write_on(std::string_view text) {
  while (!text.empty() && !failed_) {
    if (at_ == end_) {
      end_piece();
      piece_ = buffers_.small.allocate(0);
      failed_ = piece_ == nullptr;
      if (failed_) return;
      at_ = piece_->data;
      end_ = at_ + piece_->tailroom();
    }
    const std::string_view part = text.substr(0, static_cast<size_t>(end_ - at_));
    *this << part;
    text.remove_prefix(part.size());
  }
}

/// What is written of it is what there is to it; a piece is begun only when there is something to write.
void HeadWriter::end_piece() {
  if (piece_ == nullptr) return;
  piece_->length = static_cast<uint32_t>(at_ - piece_->data);
  written_.push(piece_);
  piece_ = nullptr;
  at_ = end_ = nullptr;
}

tcp::ByteQueue HeadWriter::finish() {
  end_piece();
  if (failed_) [[unlikely]] {
    failed_ = false;
    written_.clear();
  }
  return std::move(written_);
}

}  // namespace flatproxy::http
