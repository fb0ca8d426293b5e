#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace flatproxy::http {

/// Fields of one head, at most; a listener may allow fewer.
constexpr uint32_t kMaxFields = 256;

enum class Version : uint8_t { http10, http11 };

enum class Method : uint8_t { get, head, post, put, remove, connect, options, trace, patch, other };

/// Fields that a proxy reads, removes or writes; all others pass it by.
enum class FieldId : uint8_t {
  other,
  connection,
  content_length,
  cookie,
  expect,
  forwarded,
  host,
  keep_alive,
  proxy_connection,
  te,
  traceparent,
  tracestate,
  trailer,
  transfer_encoding,
  upgrade,
  via,
  x_forwarded_for,
  x_forwarded_host,
  x_forwarded_port,
  x_forwarded_proto,
};

/// Some of them.
class FieldSet {
 public:
  constexpr FieldSet() = default;
  constexpr FieldSet(std::initializer_list<FieldId> ids) {
    for (const FieldId id : ids) bits_ |= bit(id);
  }
  constexpr bool has(FieldId id) const { return (bits_ & bit(id)) != 0; }
  constexpr FieldSet& operator|=(const FieldSet& others) {
    bits_ |= others.bits_;
    return *this;
  }

 private:
  static constexpr uint32_t bit(FieldId id) { return 1u << static_cast<uint8_t>(id); }

  uint32_t bits_ = 0;
};

struct Field {
  std::string_view name;   ///< as it was sent
  std::string_view value;  ///< without the white space around it
  FieldId id = FieldId::other;
};

/// The fields of a head, in their order.
class Fields {
 public:
  void clear() { count_ = present_ = repeated_ = 0; }
  /// Not by a Field: one that is put together is read back wider than it was written, and waits for that.
  void add(std::string_view name, std::string_view value, FieldId id) {
    Field& field = fields_[count_++];
    field.name = name;
    field.value = value;
    field.id = id;
    if (has(id)) {
      repeated_ |= bit(id);
    } else {
      present_ |= bit(id);
      first_[static_cast<uint8_t>(id)] = static_cast<uint8_t>(count_ - 1);
    }
  }
  uint32_t count() const { return count_; }
  const Field* begin() const { return fields_.data(); }
  const Field* end() const { return fields_.data() + count_; }
  const Field& operator[](uint32_t i) const { return fields_[i]; }
  bool has(FieldId id) const { return (present_ & bit(id)) != 0; }
  /// Whether there are several with this id.
  bool repeats(FieldId id) const { return (repeated_ & bit(id)) != 0; }
  /// The first one with this id, or nullptr.
  const Field* find(FieldId id) const { return has(id) ? &fields_[first_[static_cast<uint8_t>(id)]] : nullptr; }

 private:
  static constexpr uint32_t bit(FieldId id) { return 1u << static_cast<uint8_t>(id); }

  uint32_t count_ = 0;
  uint32_t present_ = 0;             // a bit for each FieldId
  uint32_t repeated_ = 0;            // likewise
  std::array<uint8_t, 32> first_{};  // by FieldId: where the first one stands, of those that are present
  std::array<Field, kMaxFields> fields_;
  static_assert(kMaxFields <= 256);
};

/// What a Connection field says (RFC 9110 section 7.6.1).
struct ConnectionOptions {
  bool close = false;
  bool keep_alive = false;
  bool upgrade = false;
  bool nominates = false;  ///< further fields, which end with this connection
};

/// How the end of a body is told (RFC 9112 section 6.3).
enum class BodyKind : uint8_t { none, length, chunked, until_close };

struct Body {
  BodyKind kind = BodyKind::none;
  uint64_t length = 0;  ///< bytes, of BodyKind::length
};

/// A request's head. Its texts lie in `bytes`, which whoever has it parsed keeps.
struct RequestHead {
  std::string_view bytes;  ///< whole, with the empty line at its end
  std::string_view method_name;
  std::string_view target;     ///< as it was sent
  std::string_view scheme;     ///< of an absolute target, else empty
  std::string_view authority;  ///< host and port that are asked for; empty: none was said
  std::string_view path;       ///< of the target, up to its query; `*` (OPTIONS); empty: CONNECT
  std::string_view query;      ///< behind the '?'
  Method method = Method::other;
  Version version = Version::http11;
  bool has_query = false;
  bool asks_websocket = false;    ///< and may be answered with 101 (RFC 6455 section 4.1)
  bool keep_alive = false;        ///< another request may follow (RFC 9112 section 9.3)
  bool expects_continue = false;  ///< the body comes after a 100 (RFC 9110 section 10.1.1)
  ConnectionOptions connection;
  Body body;
  Fields fields;
};

/// A response's head, likewise.
struct ResponseHead {
  std::string_view bytes;
  std::string_view reason;
  uint16_t status = 0;
  Version version = Version::http11;
  bool keep_alive = false;
  ConnectionOptions connection;
  Body body;
  Fields fields;
};

}  // namespace flatproxy::http
