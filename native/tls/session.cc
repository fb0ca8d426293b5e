#include "tls/session.h"

#include <algorithm>
#include <array>
#include <utility>

#include "tls/server_context.h"

namespace flatproxy::tls {
namespace {

constexpr uint32_t kMostPlain = 64 * 1024;  // bytes that are opened before they are asked for...
constexpr uint32_t kMostHeld = 256 * 1024;  // ...and of memory that they hold: records may be of one byte
// A reader can use a record when all of it has come: the first ones fit a packet each, until there is a window for
// more.
constexpr uint32_t kSmallRecord = 1300;
constexpr uint32_t kSmallUntil = 32 * 1024;
constexpr uint16_t kMostIdleRecords = 32;  // without a byte for the owner, in a row
constexpr uint8_t kWarning = 1;
constexpr uint8_t kFatal = 2;
constexpr uint8_t kCloseNotify = 0;
constexpr uint8_t kUserCanceled = 90;
constexpr uint8_t kKeyUpdate = 24;
constexpr uint32_t kKeyUpdateSize = 5;

}  // namespace

Session::Session(tcp::Connection& connection, std::shared_ptr<const ServerContext> context)
    : connection_(connection), context_(std::move(context)) {}

// What comes.

void Session::read(tcp::ByteQueue& in, tcp::ByteQueue& out, Buffers& buffers) {
  if (stage_ == Stage::handshake) go_on(in, out, buffers);
  while (stage_ == Stage::open && !peer_has_closed && has_room() && read_record(in, out, buffers)) {
  }
  // Whatever follows is no part of it (RFC 8446 section 6.1).
  if (stage_ == Stage::failed || peer_has_closed) in.clear();
}

void Session::go_on(tcp::ByteQueue& in, tcp::ByteQueue& out, Buffers& buffers) {
  // Nothing is set aside for those who say nothing.
  if (in.bytes() < kRecordHeaderSize) return;
  if (handshake_ == nullptr) handshake_ = std::make_unique<Handshake>(*context_);
  switch (handshake_->advance(in, out, buffers)) {
    case Handshake::Step::more:
      return;
    case Handshake::Step::failed:
      stage_ = Stage::failed;
      failure_ = handshake_->failure();
      break;
    case Handshake::Step::done:
      Agreement agreed;
      stage_ = handshake_->take(agreed) && open(agreed) ? Stage::open : Stage::failed;
      if (stage_ == Stage::failed) failure_ = Failure::internal;
      break;
  }
  handshake_.reset();
  context_.reset();
}

bool Session::open(Agreement& agreed) {
  read_secret_ = std::move(agreed.read.secret);
  write_secret_ = std::move(agreed.write.secret);
  max_plaintext_ = agreed.max_plaintext;
  resumed_ = agreed.resumed;
  return opener_.set_keys(agreed.read.keys, agreed.read.sequence) &&
         sealer_.set_keys(agreed.write.keys, agreed.write.sequence);
}

bool Session::has_room() const { return plain.bytes() < kMostPlain && plain.held() < kMostHeld; }

/// False: there is no whole one, or no buffer.
bool Session::read_record(tcp::ByteQueue& in, tcp::ByteQueue& out, Buffers& buffers) {
  tcp::ByteQueue content;
  ContentType type;
  switch (opener_.open(in, content, type, buffers)) {
    case RecordOpener::Opened::incomplete:
    case RecordOpener::Opened::no_buffers:
      return false;
    case RecordOpener::Opened::error:
      fail(Failure::record, opener_.alert(), out, buffers);
      return true;
    case RecordOpener::Opened::record:
      break;
  }
  const bool of_use = type == ContentType::application_data && !content.empty();
  idle_records_ = of_use ? uint16_t{0} : static_cast<uint16_t>(idle_records_ + 1);
  if (idle_records_ > kMostIdleRecords) {
    fail(Failure::record, Alert::unexpected_message, out, buffers);
  } else if (type == ContentType::application_data) {
    plain.absorb(std::move(content), buffers);
  } else if (type == ContentType::alert) {
    take_alert(std::move(content));
  } else if (type == ContentType::handshake) {
    take_handshake(std::move(content), out, buffers);
  } else {
    fail(Failure::record, Alert::unexpected_message, out, buffers);
  }
  return true;
}

/// What is not a closure ends the connection at once (RFC 8446 section 6).
void Session::take_alert(tcp::ByteQueue&& content) {
  std::array<uint8_t, 2> alert{};
  const bool whole = content.bytes() == alert.size() && content.copy_out(alert.data(), 2) == 2;
  if (whole && alert[1] == kCloseNotify) {
    peer_has_closed = true;
  } else if (!whole || alert[1] != kUserCanceled) {
    stage_ = Stage::failed;
    failure_ = Failure::peer_alert;
  }
}

/// Behind the handshake nothing is left of it but the change of keys. Neither may it stand in pieces: nobody has a
/// reason to cut five bytes.
void Session::take_handshake(tcp::ByteQueue&& content, tcp::ByteQueue& out, Buffers& buffers) {
  std::array<uint8_t, kKeyUpdateSize> message{};
  const bool whole = content.bytes() == kKeyUpdateSize && content.copy_out(message.data(), kKeyUpdateSize) > 0;
  const bool tls13 = opener_.version() == Version::tls13;
  const bool update = whole && message[0] == kKeyUpdate && message[3] == 1 && message[1] == 0 && message[2] == 0;
  if (tls13 && update && message[4] <= 1) return take_key_update(message[4] == 1, out, buffers);
  if (!tls13) return fail(Failure::renegotiation, Alert::no_renegotiation, out, buffers);
  fail(Failure::record, Alert::unexpected_message, out, buffers);
}

/// RFC 8446 section 4.6.3.
void Session::take_key_update(bool asked, tcp::ByteQueue& out, Buffers& buffers) {
  auto secret = next_secret(opener_.suite(), read_secret_.first(hash_size(hash_of(opener_.suite()))));
  auto keys =
      secret ? keys_from_secret(opener_.suite(), secret->first(hash_size(hash_of(opener_.suite())))) : std::nullopt;
  if (!keys || !opener_.set_keys(*keys)) return fail(Failure::internal, Alert::internal_error, out, buffers);
  read_secret_ = std::move(*secret);
  if (asked && !update_keys(out, buffers)) fail(Failure::no_buffers, Alert::internal_error, out, buffers);
}

/// Ours, without asking for the peer's.
bool Session::update_keys(tcp::ByteQueue& out, Buffers& buffers) {
  constexpr std::array<uint8_t, kKeyUpdateSize> kMessage{kKeyUpdate, 0, 0, 1, 0};
  tcp::ByteQueue message;
  if (message.copy_in(kMessage.data(), kKeyUpdateSize, buffers) != kKeyUpdateSize) return false;
  if (sealer_.seal(ContentType::handshake, std::move(message), out, buffers) != RecordSealer::Sealed::done)
    return false;
  const size_t size = hash_size(hash_of(sealer_.suite()));
  auto secret = next_secret(sealer_.suite(), write_secret_.first(size));
  auto keys = secret ? keys_from_secret(sealer_.suite(), secret->first(size)) : std::nullopt;
  if (!keys || !sealer_.set_keys(*keys)) return false;
  write_secret_ = std::move(*secret);
  return true;
}

void Session::end_of_bytes() {
  if (stage_ == Stage::failed || peer_has_closed) return;
  stage_ = Stage::failed;
  failure_ = Failure::truncated;
}

// What goes.

bool Session::write(tcp::ByteQueue& out, Buffers& buffers) {
  if (stage_ == Stage::failed) pending.clear();
  while (stage_ == Stage::open && !pending.empty()) {
    if (sealer_.wants_rekey() && !update_keys(out, buffers)) return false;
    if (!seal_some(out, buffers)) return false;
  }
  return true;
}

bool Session::write_end(tcp::ByteQueue& out, Buffers& buffers) {
  if (!write(out, buffers)) return false;
  return stage_ != Stage::open || send_alert(kWarning, kCloseNotify, out, buffers);
}

/// One record.
bool Session::seal_some(tcp::ByteQueue& out, Buffers& buffers) {
  if (!buffers.loans.has(1)) return false;  // a cut may need one
  const uint32_t size = next_record();
  tcp::ByteQueue content = pending.cut_front(size, buffers);
  const RecordSealer::Sealed sealed = sealer_.seal(ContentType::application_data, std::move(content), out, buffers);
  if (sealed == RecordSealer::Sealed::done) {
    written_ = std::min(written_ + size, kSmallUntil);
    return true;
  }
  if (sealed == RecordSealer::Sealed::no_buffers) {
    content.append(std::move(pending));
    pending = std::move(content);
    return false;
  }
  stage_ = Stage::failed;
  failure_ = Failure::internal;
  pending.clear();
  return true;
}

uint32_t Session::next_record() const {
  const uint32_t most = std::min(max_plaintext_, written_ < kSmallUntil ? kSmallRecord : kMaxPlaintext);
  return std::min(most, pending.bytes());
}

bool Session::send_alert(uint8_t level, uint8_t description, tcp::ByteQueue& out, Buffers& buffers) {
  const std::array<uint8_t, 2> alert{level, description};
  tcp::ByteQueue content;
  if (content.copy_in(alert.data(), 2, buffers) != 2) return false;
  return sealer_.seal(ContentType::alert, std::move(content), out, buffers) == RecordSealer::Sealed::done;
}

/// The peer is told if it can be.
void Session::fail(Failure why, Alert alert, tcp::ByteQueue& out, Buffers& buffers) {
  send_alert(kFatal, static_cast<uint8_t>(alert), out, buffers);
  stage_ = Stage::failed;
  failure_ = why;
}

}  // namespace flatproxy::tls
