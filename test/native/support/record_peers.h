#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "support/tls_bytes.h"
#include "tls/traffic_keys.h"

namespace flatproxy::test {

/// A handshake of two OpenSSL objects over memory, and what came of it: either may then speak with a record layer of
/// ours in the other's place.
class RecordPeers {
 public:
  /// @param cipher OpenSSL's name  @param rsa whether the server has a key of RSA, else of ECDSA
  /// @param tickets of TLS 1.3 that the server sends under the traffic keys
  RecordPeers(tls::NegotiatedSuite suite, const char* cipher, bool rsa, size_t tickets);

  bool connected() const;
  SSL* client() const { return client_.get(); }
  SSL* server() const { return server_.get(); }

  /// The keys that the client, or the server, writes with.
  tls::TrafficKeys keys(bool of_client) const;
  /// TLS 1.3: the traffic secret that they are made of.
  const ByteVector& secret(bool of_client) const { return of_client ? client_secret_ : server_secret_; }

  /// What this one has written since it was last asked.
  static ByteVector written(SSL* ssl);
  /// Bytes for this one to read.
  static void give(SSL* ssl, const ByteVector& bytes);
  /// What this one has read of application data.
  static ByteVector read(SSL* ssl);

 private:
  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  void take_secret(const std::string& line);

  tls::NegotiatedSuite suite_;
  std::unique_ptr<SSL_CTX, Free> contexts_[2];
  std::unique_ptr<SSL, Free> client_;
  std::unique_ptr<SSL, Free> server_;
  ByteVector client_secret_;
  ByteVector server_secret_;
};

}  // namespace flatproxy::test
