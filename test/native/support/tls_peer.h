#pragma once

#include <openssl/ssl.h>

#include <string>
#include <string_view>
#include <utility>

namespace flatproxy::test {

/// A client over TLS, played by OpenSSL: ciphertext in and out, by hand.
class TlsPeer {
 public:
  struct Options {
    std::string server_name = "shop.example";
    std::string root{};              ///< file of the authority that is believed; empty: any is
    int version = 0;                 ///< TLS1_2_VERSION or TLS1_3_VERSION alone; 0: any
    std::string suites12{};          ///< OpenSSL's names; empty: its own choice
    std::string suites13{};          ///< likewise
    std::string groups{};            ///< likewise
    std::string protocols{};         ///< ALPN, as they stand on the wire
    SSL_SESSION* session = nullptr;  ///< to resume
    std::string signatures{};        ///< OpenSSL's names; empty: its own choice
  };

  explicit TlsPeer(const Options& options);
  ~TlsPeer();
  TlsPeer(const TlsPeer&) = delete;
  TlsPeer& operator=(const TlsPeer&) = delete;

  /// Takes ciphertext in, and does what it can. What it has to say is in take_output() then.
  void step(std::string_view ciphertext = {});
  std::string take_output();
  void write(std::string_view text);
  /// What was read since the last time.
  std::string take_text() { return std::exchange(text_, {}); }
  void close() { SSL_shutdown(ssl_); }

  bool connected() const { return SSL_is_init_finished(ssl_) == 1; }
  bool got_close_notify() const { return (SSL_get_shutdown(ssl_) & SSL_RECEIVED_SHUTDOWN) != 0; }
  /// The alert that has come, or 0.
  int alert() const { return alert_; }
  /// Whether OpenSSL has found something wrong.
  bool failed() const { return failed_; }
  SSL* ssl() const { return ssl_; }
  /// The session that the last ticket has brought; the caller's. nullptr: none has come.
  SSL_SESSION* take_session();
  /// The first name in the certificate that it was shown.
  std::string shown_name() const;

 private:
  void look();

  SSL_CTX* context_;
  SSL* ssl_;
  std::string text_;
  int alert_ = 0;
  bool failed_ = false;
};

}  // namespace flatproxy::test
