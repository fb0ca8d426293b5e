#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "tcp/byte_queue.h"
#include "tls/record_bytes.h"
#include "tls/record_engine.h"

namespace flatproxy::tls {

enum class ContentType : uint8_t { change_cipher_spec = 20, alert = 21, handshake = 22, application_data = 23 };

/// The alerts that a record may call for (RFC 8446 section 6).
enum class Alert : uint8_t {
  unexpected_message = 10,
  bad_record_mac = 20,
  record_overflow = 22,
  protocol_version = 70,
  internal_error = 80,
  no_renegotiation = 100,
};

constexpr uint32_t kRecordHeaderSize = 5;
constexpr uint32_t kMaxPlaintext = 16384;  ///< bytes of content in a record

/// One direction's keys, and which record is next.
class RecordKeys {
 public:
  /// Protects the records from now on; the first one has the number `sequence` (after a handshake that sent some under
  /// these keys already: of TLS 1.2 the Finished, of TLS 1.3 session tickets). False: out of memory, nothing changed.
  bool set(const TrafficKeys& keys, const RecordEngine& engine, Direction direction, uint64_t sequence);

  /// Whether this direction's keys have protected as many records as they should (RFC 8446 section 5.5): it is time for
  /// a KeyUpdate. Never in TLS 1.2, which has none.
  bool wants_rekey() const { return sequence_ >= rekey_at_; }
  uint64_t sequence() const { return sequence_; }
  Version version() const { return version_; }
  Suite suite() const { return suite_; }

 protected:
  static constexpr uint64_t kLastSequence = ~uint64_t{0};  // is never used: numbers do not wrap
  static constexpr uint16_t kVersionNumber = 0x0303;       // in the headers of both versions
  static constexpr uint32_t kMaxHeaderSize = kRecordHeaderSize + 8;

  /// What is authenticated beside the content.
  struct Aad {
    std::array<uint8_t, 16> bytes;
    uint32_t size;

    std::span<const uint8_t> span() const { return {bytes.data(), size}; }
  };
  /// @param type in the header  @param length in the header  @param content bytes of it
  Aad aad(uint8_t type, uint32_t length, uint32_t content) const;
  /// @param explicit_part the explicit_size() bytes of it that stand in the record
  std::array<uint8_t, kNonceSize> nonce(const uint8_t* explicit_part) const;

  uint32_t explicit_size() const { return explicit_nonce_size(version_, suite_); }
  uint32_t header_size() const { return kRecordHeaderSize + explicit_size(); }
  /// Behind the content, encrypted with it.
  uint32_t inner_type_size() const { return version_ == Version::tls13 ? 1 : 0; }

  std::unique_ptr<RecordKey> key_;
  uint64_t sequence_ = 0;
  uint64_t rekey_at_ = kLastSequence;
  Secret<kNonceSize> iv_;
  Version version_ = Version::tls13;
  Suite suite_ = Suite::aes_128_gcm;
};

/// Makes records of bytes to send.
class RecordSealer : public RecordKeys {
 public:
  /// See RecordKeys::set(); after a KeyUpdate `sequence` is 0.
  bool set_keys(const TrafficKeys& keys, uint64_t sequence, const RecordEngine& engine);
  bool set_keys(const TrafficKeys& keys, uint64_t sequence = 0) {
    return set_keys(keys, sequence, *best_engine(keys.suite).engine);
  }

  enum class Sealed : uint8_t {
    done,
    no_buffers,   ///< nothing was done, `plain` is as it was
    no_sequence,  ///< likewise: 2^64 records were sealed, or there are no keys
    failed,       ///< the library did; `plain` is gone, and so is the connection
  };
  /// Seals all of `plain` (at most kMaxPlaintext bytes, or none) as one record and appends that to `out`. The bytes are
  /// encrypted where they are, but for those that others read as well (Segment::shared): these are copied.
  Sealed seal(ContentType type, tcp::ByteQueue&& plain, tcp::ByteQueue& out, Buffers& buffers);

 private:
  /// What is not content.
  struct Frame {
    uint8_t* header;
    uint8_t* trailer;  ///< TLS 1.3: the type; then the tag
  };
  tcp::ByteQueue lay_out(tcp::ByteQueue&& plain, const Copying& copying, Frame& frame, Buffers& buffers);
};

/// Reads the records of what has come.
class RecordOpener : public RecordKeys {
 public:
  /// See RecordKeys::set(); after a KeyUpdate `sequence` is 0.
  bool set_keys(const TrafficKeys& keys, uint64_t sequence, const RecordEngine& engine);
  bool set_keys(const TrafficKeys& keys, uint64_t sequence = 0) {
    return set_keys(keys, sequence, *best_engine(keys.suite).engine);
  }

  enum class Opened : uint8_t {
    record,      ///< its content was appended to `plain`: none, perhaps, of application data
    incomplete,  ///< more bytes are needed
    no_buffers,  ///< nothing was done: try again when there are some
    error,       ///< alert() is to be sent; the connection is at its end
  };
  /// Takes one record off the front of `in`. The bytes are decrypted where they are, but for those that others read as
  /// well (Segment::shared). A change_cipher_spec of TLS 1.3 comes as it is, and does not count: whether it may come is
  /// the caller's to say, and so is how many records without content.
  Opened open(tcp::ByteQueue& in, tcp::ByteQueue& plain, ContentType& type, Buffers& buffers);
  /// Why open() said `error`.
  Alert alert() const { return alert_; }

 private:
  static bool is_plain(const uint8_t* header) {
    return header[0] == static_cast<uint8_t>(ContentType::change_cipher_spec);
  }
  std::optional<Alert> fault_of(const uint8_t* header) const;
  Opened pass(tcp::ByteQueue&& record, tcp::ByteQueue& plain, ContentType& type);
  Opened decrypt(const uint8_t* header, tcp::ByteQueue&& record, tcp::ByteQueue& plain, ContentType& type);
  Opened refuse(Alert alert);

  Alert alert_ = Alert::internal_error;
};

}  // namespace flatproxy::tls
