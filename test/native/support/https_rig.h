#pragma once

#include <memory>
#include <string>
#include <vector>

#include "support/certificates.h"
#include "support/http_rig.h"
#include "support/tls_peer.h"
#include "tls/server_context.h"

namespace flatproxy::test {

/// HttpRig whose clients speak TLS, as OpenSSL does.
struct HttpsRig : HttpRig {
  struct Client {
    TlsPeer peer;
    tcp::Connection* connection;
  };

  void serve(const std::vector<CertificateFiles>& certificates,
             TlsSettings::Version oldest = TlsSettings::Version::tls12) {
    relay_settings.over_tls = settings.over_tls = true;
    relay_settings.tls = context_of(certificates, oldest);
    make();
  }
  void serve() { serve({authority.issue({"shop.example"})}); }
  static std::shared_ptr<const tls::ServerContext> context_of(const std::vector<CertificateFiles>& certificates,
                                                              TlsSettings::Version oldest) {
    TlsSettings asked;
    asked.certificates = certificates;
    asked.oldest = oldest;
    asked.http = true;
    return std::make_shared<const tls::ServerContext>(asked);
  }

  /// A client that has sent its first bytes, and got what there was for it.
  std::unique_ptr<Client> open(const TlsPeer::Options& options) {
    auto client = std::unique_ptr<Client>(new Client{TlsPeer(options), &open_client()});
    exchange(*client);
    return client;
  }
  std::unique_ptr<Client> open() { return open({.root = authority.root()}); }
  bool is_there(const Client& client) const {
    return std::find(clients.begin(), clients.end(), client.connection) != clients.end();
  }

  /// Carries ciphertext to and fro until both sides are silent.
  void exchange(Client& client) {
    client.peer.step();
    for (int i = 0; i < 100; ++i) {
      const std::string out = client.peer.take_output();
      if (!out.empty() && is_there(client)) put(*client.connection, out);
      run();
      const std::string in = is_there(client) ? read(*client.connection) : std::string();
      client.peer.step(in);
      if (in.empty() && BIO_ctrl_pending(SSL_get_wbio(client.peer.ssl())) == 0) return;
    }
    FAIL() << "there is no end";
  }
  /// Bytes into the client's connection, cut into pieces of this size if there is one.
  void put(tcp::Connection& c, const std::string& bytes) {
    if (piece == 0) return send(c, bytes);
    for (size_t at = 0; at < bytes.size(); at += piece) {
      const size_t n = std::min(piece, bytes.size() - at);
      stack(kOutside).send(c, reinterpret_cast<const uint8_t*>(bytes.data()) + at, static_cast<uint32_t>(n));
      run(kSecond / 500);
    }
  }
  /// What the server behind has got; the client has written `text`.
  std::string ask(Client& client, const std::string& text = kGet) {
    client.peer.write(text);
    std::string got;
    for (size_t before = 1; before != got.size();) {
      before = got.size();
      exchange(client);
      if (!servers.empty()) got += read(*servers.back());
    }
    return got;
  }
  std::string answer(Client& client, const std::string& text = kOk) {
    send(*servers.back(), text);
    exchange(client);
    return client.peer.take_text();
  }
  const TlsCounters& tls() const { return tls_counters[listener]; }
  uint64_t failures(tls::Failure why) const { return tls().failures[static_cast<size_t>(why)].read(); }

  Authority authority;
  size_t piece = 0;
};

}  // namespace flatproxy::test
