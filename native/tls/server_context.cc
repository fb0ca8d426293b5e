#include "tls/server_context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>

#include "packet/error.h"
#include "tls/handshake.h"
#include "tls/libcrypto.h"

namespace flatproxy::tls {
namespace {

// Forward secrecy and AEADs alone (RFC 9325 section 4.2), the fastest first.
constexpr const char* kSuites13 = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr const char* kSuites12 =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
// The hybrid is in OpenSSL from 3.5 on.
constexpr const char* kHybridGroups = "X25519MLKEM768:X25519:P-256:P-384";
constexpr const char* kGroups = "X25519:P-256:P-384";

[[noreturn]] void refuse(const char* what) {
  std::string message = "OpenSSL refuses ";
  message.append(what);
  const unsigned long error = ERR_peek_last_error();
  if (error != 0)
    message.append(": ").append(ERR_reason_error_string(error) != nullptr ? ERR_reason_error_string(error) : "");
  ERR_clear_error();
  throw Error("ERR_FLATPROXY_CERTIFICATE", message);
}

void log_secret(const SSL* ssl, const char* line) { Handshake::of(ssl)->log_secret(line); }

void see_message(int sent, int, int content_type, const void* bytes, size_t n, SSL* ssl, void*) {
  if (sent != 0) Handshake::of(ssl)->saw_sent(content_type, static_cast<const uint8_t*>(bytes), n);
}

int choose_certificate(SSL* ssl, int*, void* context) {
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (name == nullptr) return SSL_TLSEXT_ERR_NOACK;
  SSL_set_SSL_CTX(ssl, static_cast<const ServerContext*>(context)->find(name));
  return SSL_TLSEXT_ERR_OK;
}

/// RFC 7301 section 3.2: without one in common there is no connection.
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
                    unsigned int n, void*) {
  static constexpr unsigned char kOurs[] = "\x08http/1.1";
  unsigned char* found = nullptr;
  if (SSL_select_next_proto(&found, size, kOurs, sizeof(kOurs) - 1, offered, n) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

std::string in_lower_case(std::string_view name) {
  std::string lower(name);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  return lower;
}

}  // namespace

ServerContext::ServerContext(const TlsSettings& settings) : settings_(settings) {
  if (!start_libcrypto()) refuse("to start");
  try {
    for (const CertificateFiles& files : settings_.certificates) add(read_certificate(files));
  } catch (...) {
    for (SSL_CTX* context : contexts_) SSL_CTX_free(context);
    throw;
  }
}

ServerContext::~ServerContext() {
  for (SSL_CTX* context : contexts_) SSL_CTX_free(context);
}

void ServerContext::add(const Certificate& certificate) {
  SSL_CTX* context = context_for(certificate);
  if (SSL_CTX_use_certificate(context, certificate.leaf.get()) != 1) refuse("a certificate");
  if (SSL_CTX_use_PrivateKey(context, certificate.key.get()) != 1) refuse("a key");
  if (SSL_CTX_clear_chain_certs(context) != 1) refuse("a certificate");
  for (const CertificatePtr& issuer : certificate.issuers) {
    if (SSL_CTX_add1_chain_cert(context, issuer.get()) != 1) refuse("an issuer's certificate");
  }
  for (const std::string& name : certificate.names) by_name_.emplace(name, context);
  fingerprint_.append(certificate.fingerprint);
}

/// One of the same names has another kind of key (ECDSA beside RSA), and the client's offer decides: they share one.
ssl_ctx_st* ServerContext::context_for(const Certificate& certificate) {
  const auto same = [&](SSL_CTX* context) {
    const auto is_its = [&](const std::string& name) {
      const auto found = by_name_.find(name);
      return found != by_name_.end() && found->second == context;
    };
    const auto names = static_cast<size_t>(
        std::count_if(by_name_.begin(), by_name_.end(), [&](const auto& entry) { return entry.second == context; }));
    return !certificate.names.empty() && names == certificate.names.size() &&
           std::all_of(certificate.names.begin(), certificate.names.end(), is_its);
  };
  const auto known = std::find_if(contexts_.begin(), contexts_.end(), same);
  if (known != contexts_.end()) return *known;
  contexts_.push_back(make_context());
  return contexts_.back();
}

ssl_ctx_st* ServerContext::make_context() const {
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> made(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  SSL_CTX* context = made.get();
  if (context == nullptr) refuse("a context");
  const int oldest = settings_.oldest == TlsSettings::Version::tls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
  if (SSL_CTX_set_min_proto_version(context, oldest) != 1) refuse("the oldest version");
  if (SSL_CTX_set_ciphersuites(context, kSuites13) != 1 || SSL_CTX_set_cipher_list(context, kSuites12) != 1)
    refuse("the suites");
  if (SSL_CTX_set1_groups_list(context, kHybridGroups) != 1 && SSL_CTX_set1_groups_list(context, kGroups) != 1)
    refuse("the groups");
  ERR_clear_error();
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                   SSL_OP_PRIORITIZE_CHACHA);
  // What resumes a session is in its ticket alone.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  static constexpr unsigned char kSessionContext[] = "flatproxy";
  SSL_CTX_set_session_id_context(context, kSessionContext, sizeof(kSessionContext) - 1);
  SSL_CTX_set_tlsext_servername_callback(context, choose_certificate);
  SSL_CTX_set_tlsext_servername_arg(context, const_cast<ServerContext*>(this));
  SSL_CTX_set_keylog_callback(context, log_secret);
  SSL_CTX_set_msg_callback(context, see_message);
  if (settings_.http) SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  return made.release();
}

ssl_ctx_st* ServerContext::find(std::string_view server_name) const {
  std::string name = in_lower_case(server_name);
  if (const auto exact = by_name_.find(name); exact != by_name_.end()) return exact->second;
  const size_t dot = name.find('.');
  if (dot == std::string::npos || dot == 0) return library();
  name.erase(0, dot - 1);
  name.front() = '*';
  const auto wild = by_name_.find(name);
  return wild != by_name_.end() ? wild->second : library();
}

}  // namespace flatproxy::tls
