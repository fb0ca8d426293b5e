#include "support/record_peers.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <array>

namespace flatproxy::test {
namespace {

/// A key of the server's, and a certificate that says so itself.
struct Identity {
  EVP_PKEY* key;
  X509* certificate;

  explicit Identity(bool rsa)
      : key(rsa ? EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", size_t{2048})
                : EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")),
        certificate(X509_new()) {
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_sign(certificate, key, EVP_sha256());
  }
  Identity(const Identity&) = delete;
  Identity& operator=(const Identity&) = delete;
  ~Identity() {
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
};

const Identity& identity(bool rsa) {
  if (!rsa) {
    static const Identity ecdsa_one(false);
    return ecdsa_one;
  }
  static const Identity rsa_one(true);
  return rsa_one;
}

void limit(SSL_CTX* context, tls::Version version, const char* cipher) {
  const int number = version == tls::Version::tls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
  SSL_CTX_set_min_proto_version(context, number);
  SSL_CTX_set_max_proto_version(context, number);
  const int done = version == tls::Version::tls13 ? SSL_CTX_set_ciphersuites(context, cipher)
                                                  : SSL_CTX_set_cipher_list(context, cipher);
  EXPECT_EQ(done, 1) << cipher;
}

}  // namespace

RecordPeers::RecordPeers(tls::NegotiatedSuite suite, const char* cipher, bool rsa, size_t tickets) : suite_(suite) {
  contexts_[0].reset(SSL_CTX_new(TLS_client_method()));
  contexts_[1].reset(SSL_CTX_new(TLS_server_method()));
  for (const auto& context : contexts_) limit(context.get(), suite.version, cipher);
  SSL_CTX* of_server = contexts_[1].get();
  SSL_CTX_use_certificate(of_server, identity(rsa).certificate);
  SSL_CTX_use_PrivateKey(of_server, identity(rsa).key);
  SSL_CTX_set_num_tickets(of_server, tickets);
  SSL_CTX_set_keylog_callback(of_server, [](const SSL* ssl, const char* line) {
    static_cast<RecordPeers*>(SSL_get_app_data(ssl))->take_secret(line);
  });
  client_.reset(SSL_new(contexts_[0].get()));
  server_.reset(SSL_new(of_server));
  SSL_set_app_data(server_.get(), this);
  for (SSL* ssl : {client(), server()}) SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_connect_state(client());
  SSL_set_accept_state(server());
  for (int i = 0; i < 10 && !connected(); ++i) {
    SSL_do_handshake(client());
    give(server(), written(client()));
    SSL_do_handshake(server());
    give(client(), written(server()));
  }
}

bool RecordPeers::connected() const {
  return SSL_is_init_finished(client_.get()) == 1 && SSL_is_init_finished(server_.get()) == 1;
}

void RecordPeers::take_secret(const std::string& line) {
  const ByteVector secret = from_hex(line.substr(line.rfind(' ') + 1));
  if (line.starts_with("CLIENT_TRAFFIC_SECRET_0 ")) client_secret_ = secret;
  if (line.starts_with("SERVER_TRAFFIC_SECRET_0 ")) server_secret_ = secret;
}

tls::TrafficKeys RecordPeers::keys(bool of_client) const {
  if (suite_.version == tls::Version::tls13) return std::move(*tls::keys_from_secret(suite_.suite, secret(of_client)));
  std::array<uint8_t, tls::kMasterSecretSize> master;
  std::array<uint8_t, tls::kRandomSize> client_random;
  std::array<uint8_t, tls::kRandomSize> server_random;
  EXPECT_EQ(SSL_SESSION_get_master_key(SSL_get_session(client()), master.data(), master.size()), master.size());
  SSL_get_client_random(client(), client_random.data(), client_random.size());
  SSL_get_server_random(client(), server_random.data(), server_random.size());
  auto block = tls::key_block(suite_.suite, master, client_random, server_random);
  return std::move(of_client ? block->client_write : block->server_write);
}

ByteVector RecordPeers::written(SSL* ssl) {
  ByteVector bytes(BIO_ctrl_pending(SSL_get_wbio(ssl)));
  if (!bytes.empty()) BIO_read(SSL_get_wbio(ssl), bytes.data(), static_cast<int>(bytes.size()));
  return bytes;
}

void RecordPeers::give(SSL* ssl, const ByteVector& bytes) {
  if (!bytes.empty()) BIO_write(SSL_get_rbio(ssl), bytes.data(), static_cast<int>(bytes.size()));
}

ByteVector RecordPeers::read(SSL* ssl) {
  ByteVector all;
  uint8_t part[4096];
  for (int n = 0; (n = SSL_read(ssl, part, sizeof(part))) > 0;) all.insert(all.end(), part, part + n);
  return all;
}

}  // namespace flatproxy::test
