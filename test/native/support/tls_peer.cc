#include "support/tls_peer.h"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <utility>

namespace flatproxy::test {

TlsPeer::TlsPeer(const Options& o) : context_(SSL_CTX_new(TLS_client_method())) {
  if (o.version != 0) {
    SSL_CTX_set_min_proto_version(context_, o.version);
    SSL_CTX_set_max_proto_version(context_, o.version);
  }
  if (!o.root.empty()) {
    EXPECT_EQ(SSL_CTX_load_verify_file(context_, o.root.c_str()), 1);
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
  }
  if (!o.suites12.empty()) {
    EXPECT_EQ(SSL_CTX_set_cipher_list(context_, o.suites12.c_str()), 1);
  }
  if (!o.suites13.empty()) {
    EXPECT_EQ(SSL_CTX_set_ciphersuites(context_, o.suites13.c_str()), 1);
  }
  if (!o.groups.empty()) {
    EXPECT_EQ(SSL_CTX_set1_groups_list(context_, o.groups.c_str()), 1);
  }
  if (!o.signatures.empty()) {
    EXPECT_EQ(SSL_CTX_set1_sigalgs_list(context_, o.signatures.c_str()), 1);
  }
  SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  ssl_ = SSL_new(context_);
  SSL_set_bio(ssl_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  BIO_set_mem_eof_return(SSL_get_rbio(ssl_), -1);
  if (!o.server_name.empty()) SSL_set_tlsext_host_name(ssl_, o.server_name.c_str());
  if (!o.server_name.empty() && !o.root.empty()) SSL_set1_host(ssl_, o.server_name.c_str());
  if (!o.protocols.empty())
    SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(o.protocols.data()),
                        static_cast<unsigned>(o.protocols.size()));
  if (o.session != nullptr) SSL_set_session(ssl_, o.session);
  SSL_set_app_data(ssl_, this);
  SSL_set_info_callback(ssl_, [](const SSL* ssl, int where, int alert) {
    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && (alert >> 8) == SSL3_AL_FATAL)
      static_cast<TlsPeer*>(SSL_get_app_data(ssl))->alert_ = alert & 0xff;
  });
  SSL_set_connect_state(ssl_);
}

TlsPeer::~TlsPeer() {
  SSL_free(ssl_);
  SSL_CTX_free(context_);
}

void TlsPeer::step(std::string_view ciphertext) {
  if (!ciphertext.empty()) BIO_write(SSL_get_rbio(ssl_), ciphertext.data(), static_cast<int>(ciphertext.size()));
  look();
}

void TlsPeer::look() {
  ERR_clear_error();
  char bytes[4096];
  int n = 0;
  while ((n = SSL_read(ssl_, bytes, sizeof(bytes))) > 0) text_.append(bytes, static_cast<size_t>(n));
  const int error = SSL_get_error(ssl_, n);
  failed_ |= error == SSL_ERROR_SSL || error == SSL_ERROR_SYSCALL;
  ERR_clear_error();
}

std::string TlsPeer::take_output() {
  char* bytes = nullptr;
  const long n = BIO_get_mem_data(SSL_get_wbio(ssl_), &bytes);
  std::string output(bytes, static_cast<size_t>(n));
  static_cast<void>(BIO_reset(SSL_get_wbio(ssl_)));
  return output;
}

void TlsPeer::write(std::string_view text) {
  EXPECT_EQ(SSL_write(ssl_, text.data(), static_cast<int>(text.size())), static_cast<int>(text.size()));
}

SSL_SESSION* TlsPeer::take_session() { return SSL_get1_session(ssl_); }

std::string TlsPeer::shown_name() const {
  X509* shown = SSL_get1_peer_certificate(ssl_);
  if (shown == nullptr) return {};
  auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(shown, NID_subject_alt_name, nullptr, nullptr));
  std::string first;
  if (sk_GENERAL_NAME_num(names) > 0) {
    const ASN1_IA5STRING* name = sk_GENERAL_NAME_value(names, 0)->d.dNSName;
    first.assign(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name)),
                 static_cast<size_t>(ASN1_STRING_length(name)));
  }
  GENERAL_NAMES_free(names);
  X509_free(shown);
  return first;
}

}  // namespace flatproxy::test
