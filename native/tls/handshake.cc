#include "tls/handshake.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "tls/record.h"
#include "tls/server_context.h"
#include "wire/bytes.h"

namespace flatproxy::tls {
namespace {

/// The most that a record may hold on the wire (RFC 5246 section 6.2.3): what is longer libssl refuses by its header.
constexpr uint32_t kMaxFragment = kMaxPlaintext + 2048;

/// What a failure of libssl means for whoever looks into it.
Failure failure_of(unsigned long error) {
  if (ERR_GET_LIB(error) != ERR_LIB_SSL) return ERR_GET_LIB(error) == 0 ? Failure::internal : Failure::handshake;
  const int reason = ERR_GET_REASON(error);
  switch (reason) {
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_WRONG_VERSION_NUMBER:
      return Failure::not_tls;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_INAPPROPRIATE_FALLBACK:
      return Failure::version;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SHARED_GROUPS:
    case SSL_R_NO_SUITABLE_GROUPS:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
      return Failure::parameters;
    case SSL_R_NO_APPLICATION_PROTOCOL:
      return Failure::application_protocol;
    case ERR_R_MALLOC_FAILURE:
    case ERR_R_INTERNAL_ERROR:
      return Failure::internal;
    default:
      return reason >= SSL_AD_REASON_OFFSET ? Failure::peer_alert : Failure::handshake;
  }
}

/// Reads hexadecimal digits, as many as there are. False: they are no bytes, or too many.
bool read_hex(std::string_view digits, TrafficSecret& to) {
  if (digits.size() % 2 != 0 || digits.size() / 2 > TrafficSecret::size()) return false;
  for (size_t i = 0; i < digits.size(); i += 2) {
    const char* at = digits.data() + i;
    if (std::from_chars(at, at + 2, to.data()[i / 2], 16).ptr != at + 2) return false;
  }
  return true;
}

}  // namespace

Handshake::Handshake(const ServerContext& context) : ssl_(SSL_new(context.library())) {
  if (ssl_ == nullptr) return;
  in_ = BIO_new(BIO_s_mem());
  out_ = BIO_new(BIO_s_mem());
  if (in_ == nullptr || out_ == nullptr || SSL_set_app_data(ssl_, this) != 1) {
    BIO_free(in_);
    BIO_free(out_);
    SSL_free(ssl_);
    ssl_ = nullptr;
    return;
  }
  SSL_set_bio(ssl_, in_, out_);
  SSL_set_accept_state(ssl_);
}

Handshake::~Handshake() { SSL_free(ssl_); }

Handshake* Handshake::of(const ssl_st* ssl) { return static_cast<Handshake*>(SSL_get_app_data(ssl)); }

Handshake::Step Handshake::advance(tcp::ByteQueue& in, tcp::ByteQueue& out, Buffers& buffers) {
  if (ssl_ == nullptr) return fail(Failure::internal);
  Step last = Step::more;
  for (uint32_t before = 0; last == Step::more && in.bytes() != before;) {
    before = in.bytes();
    last = step(in);
  }
  if (!drain(out, buffers)) return fail(Failure::no_buffers);
  return last;
}

/// Feeds one record, if there is a whole one. One that libssl refuses by its header need not be whole.
Handshake::Step Handshake::step(tcp::ByteQueue& in) {
  std::array<uint8_t, kRecordHeaderSize + kMaxFragment> record;
  if (in.peek(record.data(), kRecordHeaderSize) < kRecordHeaderSize) return Step::more;
  const bool known = record[0] >= static_cast<uint8_t>(ContentType::change_cipher_spec) &&
                     record[0] <= static_cast<uint8_t>(ContentType::application_data);
  const uint32_t content = wire::load16(&record[3]);
  const uint32_t size = kRecordHeaderSize + (known && content <= kMaxFragment ? content : 0);
  if (in.bytes() < size) return Step::more;
  in.copy_out(record.data(), size);
  ERR_clear_error();
  if (BIO_write(in_, record.data(), static_cast<int>(size)) != static_cast<int>(size)) return fail(Failure::internal);
  return go_on();
}

Handshake::Step Handshake::go_on() {
  const int result = SSL_do_handshake(ssl_);
  if (result == 1) return Step::done;
  if (SSL_get_error(ssl_, result) == SSL_ERROR_WANT_READ) return Step::more;
  const Failure why = failure_of(ERR_peek_last_error());
  ERR_clear_error();
  return fail(why);
}

Handshake::Step Handshake::fail(Failure why) {
  failure_ = why;
  return Step::failed;
}

/// False: there was no room for all of it.
bool Handshake::drain(tcp::ByteQueue& out, Buffers& buffers) {
  char* bytes = nullptr;
  const auto n = static_cast<uint32_t>(std::max(BIO_get_mem_data(out_, &bytes), 0L));
  const uint32_t copied = out.copy_in(reinterpret_cast<const uint8_t*>(bytes), n, buffers);
  static_cast<void>(BIO_reset(out_));
  return copied == n;
}

/// Of TLS 1.3: "LABEL client-random secret".
void Handshake::log_secret(std::string_view line) {
  const size_t digits = line.rfind(' ');
  if (digits == std::string_view::npos) return;
  const bool ours = line.starts_with("SERVER_TRAFFIC_SECRET_0 ");
  if (!ours && !line.starts_with("CLIENT_TRAFFIC_SECRET_0 ")) return;
  TrafficSecret& secret = ours ? server_secret_ : client_secret_;
  if (!read_hex(line.substr(digits + 1), secret)) secret.clear();
}

/// What is sent behind our Finished, the session tickets, counts among the records of the keys that follow it.
void Handshake::saw_sent(int content_type, const uint8_t* bytes, size_t n) {
  if (content_type == SSL3_RT_HEADER && finished_sent_) ++sent_under_keys_;
  if (content_type == SSL3_RT_HANDSHAKE && n > 0 && bytes[0] == SSL3_MT_FINISHED) finished_sent_ = true;
}

bool Handshake::take(Agreement& to) {
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl_);
  const auto suite = cipher != nullptr ? suite_of(SSL_CIPHER_get_protocol_id(cipher)) : std::nullopt;
  if (!suite) return false;
  to.resumed = SSL_session_reused(ssl_) == 1;
  const uint8_t limit = SSL_SESSION_get_max_fragment_length(SSL_get_session(ssl_));
  if (limit >= TLSEXT_max_fragment_length_512 && limit <= TLSEXT_max_fragment_length_4096)
    to.max_plaintext = 256u << limit;
  return suite->version == Version::tls13 ? take_tls13(to, suite->suite) : take_tls12(to, suite->suite);
}

bool Handshake::take_tls13(Agreement& to, Suite suite) {
  const size_t size = hash_size(hash_of(suite));
  auto read = keys_from_secret(suite, client_secret_.first(size));
  auto write = keys_from_secret(suite, server_secret_.first(size));
  if (!read || !write) return false;
  to.read = {std::move(*read), std::move(client_secret_), 0};
  to.write = {std::move(*write), std::move(server_secret_), sent_under_keys_};
  return true;
}

/// Each side's Finished was the first record under its keys.
bool Handshake::take_tls12(Agreement& to, Suite suite) {
  Secret<kMasterSecretSize> master;
  std::array<uint8_t, kRandomSize> client;
  std::array<uint8_t, kRandomSize> server;
  const SSL_SESSION* session = SSL_get_session(ssl_);
  if (SSL_SESSION_get_master_key(session, master.data(), kMasterSecretSize) != kMasterSecretSize ||
      SSL_get_client_random(ssl_, client.data(), kRandomSize) != kRandomSize ||
      SSL_get_server_random(ssl_, server.data(), kRandomSize) != kRandomSize)
    return false;
  auto block = key_block(suite, master.first(kMasterSecretSize).first<kMasterSecretSize>(), client, server);
  if (!block) return false;
  to.read = {std::move(block->client_write), {}, 1};
  to.write = {std::move(block->server_write), {}, 1};
  return true;
}

}  // namespace flatproxy::tls
