#include <algorithm>

#include "tls/record.h"
#include "tls/record_bytes.h"
#include "wire/bytes.h"

namespace flatproxy::tls {
namespace {

constexpr uint32_t kCopied = 512;  // so few bytes are copied between header and tag: no segment for each of the three
constexpr uint32_t kAtEitherEnd = 2;  // segments that header and tag need, at most

}  // namespace

bool RecordSealer::set_keys(const TrafficKeys& keys, uint64_t sequence, const RecordEngine& engine) {
  return set(keys, engine, Direction::seal, sequence);
}

// The record's bytes as they go out, with room for the header, and behind the content for its type and the tag.
tcp::ByteQueue RecordSealer::lay_out(tcp::ByteQueue&& plain, const Copying& copying, Frame& frame, Buffers& buffers) {
  tcp::ByteQueue record;
  if (plain.bytes() <= kCopied) {
    frame.header = record.extend(header_size(), buffers);
    for (const Segment* s = plain.first(); s != nullptr; s = s->next) record.copy_in(s->data, s->length, buffers);
    frame.trailer = record.extend(inner_type_size() + kTagSize, buffers);
    plain.clear();
    return record;
  }
  record = std::move(plain);
  make_own(record, copying, buffers);
  frame.trailer = record.extend(inner_type_size() + kTagSize, buffers);
  frame.header = record.prepend(header_size(), buffers);
  return record;
}

RecordSealer::Sealed RecordSealer::seal(ContentType type, tcp::ByteQueue&& plain, tcp::ByteQueue& out,
                                        Buffers& buffers) {
  if (key_ == nullptr || sequence_ == kLastSequence) return Sealed::no_sequence;
  const uint32_t content = plain.bytes() + inner_type_size();
  const Copying copying = copying_of(plain, plain.bytes());
  if (!buffers.small.has(copying.segments + kAtEitherEnd)) return Sealed::no_buffers;
  // TLS 1.3 shows all records as application data.
  const auto shown = static_cast<uint8_t>(version_ == Version::tls13 ? ContentType::application_data : type);
  const uint32_t length = explicit_size() + content + kTagSize;
  const Aad aad = this->aad(shown, length, content);
  Frame frame;
  tcp::ByteQueue record = lay_out(std::move(plain), copying, frame, buffers);
  if (inner_type_size() > 0) frame.trailer[0] = static_cast<uint8_t>(type);
  wire::store32(frame.header, uint32_t{shown} << 24 | uint32_t{kVersionNumber} << 8 | length >> 8);
  frame.header[4] = static_cast<uint8_t>(length);
  if (explicit_size() > 0) wire::store64(frame.header + kRecordHeaderSize, sequence_);
  const PieceList pieces(record, header_size(), content);
  const Tag tag(frame.trailer + inner_type_size(), kTagSize);
  if (!key_->seal(nonce(frame.header + kRecordHeaderSize), aad.span(), pieces.span(), tag)) return Sealed::failed;
  ++sequence_;
  out.append(std::move(record));
  return Sealed::done;
}

}  // namespace flatproxy::tls
