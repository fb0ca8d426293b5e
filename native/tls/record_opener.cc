#include <algorithm>
#include <optional>

#include "tls/record.h"
#include "tls/record_bytes.h"
#include "wire/bytes.h"

namespace flatproxy::tls {
namespace {

constexpr uint32_t kMaxInner = kMaxPlaintext + 1;       // with its type and padding
constexpr uint32_t kMaxExpanded = kMaxPlaintext + 256;  // RFC 8446 section 5.2
constexpr uint8_t kFirstType = static_cast<uint8_t>(ContentType::change_cipher_spec);
constexpr uint8_t kLastType = static_cast<uint8_t>(ContentType::application_data);

/// Bytes of the content in front of padding; the last of them is its type. 0: there is nothing but padding.
uint32_t without_padding(std::span<const Piece> pieces, uint32_t bytes) {
  for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece) {
    for (uint32_t i = piece->length; i > 0; --i, --bytes)
      if (piece->data[i - 1] != 0) return bytes;
  }
  return 0;
}

uint8_t last_byte(std::span<const Piece> pieces, uint32_t bytes) {
  for (const Piece& piece : pieces) {
    if (bytes <= piece.length) return piece.data[bytes - 1];
    bytes -= piece.length;
  }
  return 0;
}

}  // namespace

bool RecordOpener::set_keys(const TrafficKeys& keys, uint64_t sequence, const RecordEngine& engine) {
  return set(keys, engine, Direction::open, sequence);
}

RecordOpener::Opened RecordOpener::refuse(Alert alert) {
  alert_ = alert;
  return Opened::error;
}

// What a header says that no record can be.
std::optional<Alert> RecordOpener::fault_of(const uint8_t* header) const {
  const uint32_t length = wire::load16(header + 3);
  const bool tls13 = version_ == Version::tls13;
  if (header[0] < kFirstType || header[0] > kLastType) return Alert::unexpected_message;
  if (wire::load16(header + 1) != kVersionNumber) return Alert::protocol_version;
  if (tls13 && is_plain(header)) {
    if (length != 1) return Alert::unexpected_message;  // RFC 8446 section 5: the byte 1, else nothing
    return std::nullopt;
  }
  // RFC 8446 section 5.2: what is protected looks like application data.
  if (tls13 && header[0] != kLastType) return Alert::unexpected_message;
  if (length > (tls13 ? kMaxExpanded : explicit_size() + kMaxPlaintext + kTagSize)) return Alert::record_overflow;
  if (length < explicit_size() + inner_type_size() + kTagSize) return Alert::bad_record_mac;
  return std::nullopt;
}

RecordOpener::Opened RecordOpener::open(tcp::ByteQueue& in, tcp::ByteQueue& plain, ContentType& type,
                                        Buffers& buffers) {
  uint8_t header[kMaxHeaderSize];
  if (in.peek(header, sizeof(header)) < kRecordHeaderSize) return Opened::incomplete;
  if (const auto fault = fault_of(header)) return refuse(*fault);
  const uint32_t size = kRecordHeaderSize + wire::load16(header + 3);
  if (in.bytes() < size) return Opened::incomplete;
  const Copying copying = copying_of(in, size);
  if (!buffers.loans.has(1) || !buffers.small.has(copying.segments)) return Opened::no_buffers;
  if (version_ == Version::tls13 && is_plain(header)) return pass(in.cut_front(size, buffers), plain, type);
  if (key_ == nullptr || sequence_ == kLastSequence) return refuse(Alert::internal_error);
  tcp::ByteQueue record = in.cut_front(size, buffers);
  make_own(record, copying, buffers);
  return decrypt(header, std::move(record), plain, type);
}

RecordOpener::Opened RecordOpener::pass(tcp::ByteQueue&& record, tcp::ByteQueue& plain, ContentType& type) {
  record.drop_front(kRecordHeaderSize);
  type = ContentType::change_cipher_spec;
  plain.append(std::move(record));
  return Opened::record;
}

RecordOpener::Opened RecordOpener::decrypt(const uint8_t* header, tcp::ByteQueue&& record, tcp::ByteQueue& plain,
                                           ContentType& type) {
  uint8_t tag[kTagSize];
  record.take_back(tag, kTagSize);
  record.drop_front(header_size());
  uint32_t content = record.bytes();
  const PieceList pieces(record, 0, content);
  const Aad aad = this->aad(header[0], wire::load16(header + 3), content);
  if (!key_->open(nonce(header + kRecordHeaderSize), aad.span(), pieces.span(), ConstTag(tag)))
    return refuse(Alert::bad_record_mac);
  ++sequence_;
  uint8_t number = header[0];
  if (version_ == Version::tls13) {
    if (content > kMaxInner) return refuse(Alert::record_overflow);
    content = without_padding(pieces.span(), content);
    if (content == 0) return refuse(Alert::unexpected_message);
    number = last_byte(pieces.span(), content--);
    if (number <= kFirstType || number > kLastType) return refuse(Alert::unexpected_message);
  }
  // RFC 8446 section 5.1, RFC 5246 section 6.2.1: only application data may be of no bytes.
  if (content == 0 && number != kLastType) return refuse(Alert::unexpected_message);
  record.drop_back(record.bytes() - content);
  type = static_cast<ContentType>(number);
  plain.append(std::move(record));
  return Opened::record;
}

}  // namespace flatproxy::tls
