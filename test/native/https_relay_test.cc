#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <string>

#include "support/https_rig.h"

namespace flatproxy::test {
namespace {

using tls::Failure;

struct HttpsRelayTest : HttpsRig {
  void expect_exchange(Client& client) {
    EXPECT_NE(ask(client).find("GET /a HTTP/1.1"), std::string::npos);
    EXPECT_NE(answer(client).find("HTTP/1.1 200 OK"), std::string::npos);
  }
  /// The client says that it has said all, gets to hear the same, and nothing is left.
  void expect_end_in_order(Client& client) {
    client.peer.close();
    exchange(client);
    EXPECT_TRUE(client.peer.got_close_notify());
    EXPECT_FALSE(client.peer.failed());
    expect_nothing_left();
    for (size_t i = 1; i < tls::kFailures; ++i) EXPECT_EQ(tls().failures[i].read(), 0u) << i;
  }
};

struct Kind {
  const char* name;
  TlsPeer::Options options;
};

std::vector<Kind> kinds() {
  std::vector<Kind> all;
  for (const char* suite : {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"})
    all.push_back({suite, {.version = TLS1_3_VERSION, .suites13 = suite}});
  for (const char* suite :
       {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"})
    all.push_back({suite, {.version = TLS1_2_VERSION, .suites12 = suite}});
  return all;
}

TEST_F(HttpsRelayTest, CarriesRequestsWithEverySuite) {
  for (Kind& kind : kinds()) {
    SCOPED_TRACE(kind.name);
    serve();
    kind.options.root = authority.root();
    const uint64_t before = tls().handshakes.read();
    const auto client = open(kind.options);
    expect_exchange(*client);
    expect_exchange(*client);
    EXPECT_EQ(tls().handshakes.read(), before + 1);
    EXPECT_STREQ(SSL_get_cipher_name(client->peer.ssl()), kind.name);
    expect_end_in_order(*client);
  }
}

TEST_F(HttpsRelayTest, TakesBytesOneByOne) {
  for (const Kind& kind : {kinds().front(), kinds().back()}) {
    SCOPED_TRACE(kind.name);
    serve();
    piece = 1;
    const auto client = open(kind.options);
    expect_exchange(*client);
    expect_end_in_order(*client);
  }
}

TEST_F(HttpsRelayTest, RecordsOfOneByteHoldLittle) {
  serve();
  const auto client = open();
  const std::string head = "GET /" + std::string(3000, 'a');
  for (const char& c : head) client->peer.write({&c, 1});
  exchange(*client);
  const Buffers& buffers = pair->side(kRelay).buffers;
  EXPECT_LT(buffers.small.in_use() + buffers.large.in_use() + buffers.loans.in_use(), 20u);
  client->peer.write(" HTTP/1.1\r\nHost: shop\r\n\r\n");
  exchange(*client);
  ASSERT_FALSE(servers.empty());
  EXPECT_TRUE(read(*servers.back()).starts_with(head));
}

TEST_F(HttpsRelayTest, CarriesLargeBodiesBothWays) {
  for (const Kind& kind : {kinds().front(), kinds().back()}) {
    SCOPED_TRACE(kind.name);
    serve();
    const auto client = open(kind.options);
    std::string body;
    for (int i = 0; body.size() < 300'000; ++i) body += std::to_string(i);
    const std::string length = std::to_string(body.size());
    const std::string asked =
        ask(*client, "POST /a HTTP/1.1\r\nHost: shop\r\nContent-Length: " + length + "\r\n\r\n" + body);
    EXPECT_TRUE(asked.ends_with(body)) << asked.size();
    const std::string answered = answer(*client, "HTTP/1.1 200 OK\r\nContent-Length: " + length + "\r\n\r\n" + body);
    EXPECT_TRUE(answered.ends_with(body)) << answered.size();
    expect_exchange(*client);
    expect_end_in_order(*client);
  }
}

TEST_F(HttpsRelayTest, OneRecordCarriesASmallResponse) {
  serve();
  const auto client = open();
  ask(*client);
  send(*servers.back(), kOk);
  run();
  const std::string ciphertext = read(*client->connection);
  const size_t length = static_cast<uint8_t>(ciphertext.at(3)) * 256u + static_cast<uint8_t>(ciphertext.at(4));
  EXPECT_EQ(ciphertext.size(), 5 + length);
}

TEST_F(HttpsRelayTest, ShowsTheCertificateThatIsForTheName) {
  serve({authority.issue({"shop.example", "www.shop.example"}), authority.issue({"*.api.example"})});
  for (const auto& [asked, shown] : {std::pair{"shop.example", "shop.example"},
                                     {"WWW.shop.Example", "shop.example"},
                                     {"v1.api.example", "*.api.example"},
                                     {"deep.v1.api.example", "shop.example"},
                                     {"api.example", "shop.example"},
                                     {"", "shop.example"}}) {
    SCOPED_TRACE(asked);
    const auto client = open({.server_name = asked});
    ASSERT_TRUE(client->peer.connected());
    EXPECT_EQ(client->peer.shown_name(), shown);
  }
}

TEST_F(HttpsRelayTest, HasTheKindOfCertificateThatTheClientCanCheck) {
  serve({authority.issue({"shop.example"}, Authority::Kind::rsa), authority.issue({"shop.example"})});
  for (const auto& [signatures, type] :
       {std::pair{"ECDSA+SHA256", EVP_PKEY_EC}, std::pair{"rsa_pss_rsae_sha256", EVP_PKEY_RSA}}) {
    SCOPED_TRACE(signatures);
    const auto client = open({.signatures = signatures});
    ASSERT_TRUE(client->peer.connected());
    X509* shown = SSL_get1_peer_certificate(client->peer.ssl());
    EXPECT_EQ(EVP_PKEY_get_base_id(X509_get0_pubkey(shown)), type);
    X509_free(shown);
  }
}

TEST_F(HttpsRelayTest, ResumesByTickets) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    SCOPED_TRACE(version);
    serve();
    const uint64_t before = tls().resumed.read();
    const auto first = open({.version = version});
    expect_exchange(*first);
    SSL_SESSION* session = first->peer.take_session();
    const auto second = open({.version = version, .session = session});
    EXPECT_EQ(SSL_session_reused(second->peer.ssl()), 1);
    EXPECT_EQ(tls().resumed.read(), before + 1);
    expect_exchange(*second);
    SSL_SESSION_free(session);
  }
}

TEST_F(HttpsRelayTest, ChangesKeysWhenTheClientDoes) {
  serve();
  const auto client = open({.version = TLS1_3_VERSION});
  expect_exchange(*client);
  for (const int how : {SSL_KEY_UPDATE_NOT_REQUESTED, SSL_KEY_UPDATE_REQUESTED, SSL_KEY_UPDATE_REQUESTED}) {
    ASSERT_EQ(SSL_key_update(client->peer.ssl(), how), 1);
    expect_exchange(*client);
  }
  expect_end_in_order(*client);
}

TEST_F(HttpsRelayTest, EndsAClientThatOnlyChangesKeys) {
  serve();
  const auto client = open({.version = TLS1_3_VERSION});
  for (int i = 0; i < 40 && is_there(*client); ++i) {
    SSL_key_update(client->peer.ssl(), SSL_KEY_UPDATE_NOT_REQUESTED);
    SSL_do_handshake(client->peer.ssl());
    exchange(*client);
  }
  EXPECT_EQ(client->peer.alert(), SSL_AD_UNEXPECTED_MESSAGE);
  EXPECT_EQ(failures(Failure::record), 1u);
}

TEST_F(HttpsRelayTest, HasRoomForSoManyHandshakesAndNoMore) {
  serve();
  for (int i = 0; i < 40; ++i) open_client();  // and say nothing
  EXPECT_EQ(streams->handshakes(), 40u);
  while (!clients.empty()) abort(*clients.back());
  EXPECT_EQ(streams->handshakes(), 0u);
  const auto client = open();
  EXPECT_EQ(streams->handshakes(), 0u);
  expect_exchange(*client);
}

TEST_F(HttpsRelayTest, AgreesOnHttpAndNothingElse) {
  serve();
  const auto both = open({.protocols = "\x02h2\x08http/1.1"});
  ASSERT_TRUE(both->peer.connected());
  const unsigned char* chosen = nullptr;
  unsigned n = 0;
  SSL_get0_alpn_selected(both->peer.ssl(), &chosen, &n);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(chosen), n), "http/1.1");
  const auto other = open({.protocols = "\x02h2"});
  EXPECT_FALSE(other->peer.connected());
  EXPECT_EQ(other->peer.alert(), SSL_AD_NO_APPLICATION_PROTOCOL);
  EXPECT_EQ(failures(Failure::application_protocol), 1u);
}

TEST_F(HttpsRelayTest, SaysWhyThereIsNoHandshake) {
  serve({authority.issue({"shop.example"})}, TlsSettings::Version::tls13);
  const auto older = open({.version = TLS1_2_VERSION});
  EXPECT_EQ(older->peer.alert(), SSL_AD_PROTOCOL_VERSION);
  EXPECT_EQ(failures(Failure::version), 1u);
  const auto other = open({.groups = "X448"});
  EXPECT_EQ(other->peer.alert(), SSL_AD_HANDSHAKE_FAILURE);
  EXPECT_EQ(failures(Failure::parameters), 1u);
  const auto distrustful = open({.server_name = "other.example", .root = authority.root()});
  EXPECT_FALSE(distrustful->peer.connected());
  EXPECT_EQ(failures(Failure::peer_alert), 1u);
  run(kSecond);
  EXPECT_EQ(relay->active(), 0u);
  EXPECT_EQ(tls().handshakes.read(), 0u);
}

TEST_F(HttpsRelayTest, TellsWhoSpeaksNoTls) {
  serve();
  tcp::Connection& plain = open_client();
  send(plain, kGet);
  run(kSecond);
  EXPECT_EQ(failures(Failure::not_tls), 1u);
  EXPECT_TRUE(servers.empty());
  EXPECT_EQ(relay->active(), 0u);
}

TEST_F(HttpsRelayTest, GivesUpOnWhoIsSlow) {
  relay_settings.connect_timeout = 2 * kSecond;
  serve();
  open_client();
  run(3 * kSecond);
  EXPECT_EQ(failures(Failure::late), 1u);
  expect_nothing_left();
}

TEST_F(HttpsRelayTest, RefusesARecordThatIsNotTheClients) {
  serve();
  const auto client = open();
  client->peer.write(kGet);
  std::string record = client->peer.take_output();
  record.back() = static_cast<char>(record.back() ^ 1);
  put(*client->connection, record);
  exchange(*client);
  EXPECT_EQ(client->peer.alert(), SSL_AD_BAD_RECORD_MAC);
  EXPECT_EQ(failures(Failure::record), 1u);
  EXPECT_TRUE(servers.empty());
  expect_nothing_left();
}

TEST_F(HttpsRelayTest, RefusesRenegotiation) {
  serve();
  const auto client = open({.version = TLS1_2_VERSION});
  expect_exchange(*client);
  SSL_renegotiate(client->peer.ssl());
  SSL_do_handshake(client->peer.ssl());
  exchange(*client);
  EXPECT_EQ(client->peer.alert(), SSL_AD_NO_RENEGOTIATION);
  EXPECT_EQ(failures(Failure::renegotiation), 1u);
}

TEST_F(HttpsRelayTest, ABodyThatTheClientCutsShortIsNoWholeOne) {
  serve();
  const auto client = open();
  client->peer.write("POST /a HTTP/1.1\r\nHost: shop\r\nContent-Length: 100\r\n\r\nhalf");
  exchange(*client);
  ASSERT_EQ(servers.size(), 1u);
  close(*client->connection);  // a FIN, and no close_notify
  run(kSecond);
  EXPECT_EQ(failures(Failure::truncated), 1u);
  ASSERT_FALSE(log.entries.empty());
  EXPECT_EQ(log.entries.back().outcome, Outcome::client_gone);
  expect_nothing_left();
}

TEST_F(HttpsRelayTest, TellsEndpointsOfHttps) {
  settings.forwarded = HttpSettings::Forwarded::x_forwarded;
  serve();
  const auto client = open();
  EXPECT_NE(ask(*client).find("X-Forwarded-Proto: https\r\n"), std::string::npos);
}

TEST_F(HttpsRelayTest, RedirectsToHttps) {
  rule().backends.clear();
  rule().redirect.emplace().hostname = "other.example";
  serve();
  const auto client = open();
  client->peer.write(kGet);
  exchange(*client);
  EXPECT_NE(client->peer.take_text().find("Location: https://other.example"), std::string::npos);
}

TEST_F(HttpsRelayTest, TakesTlsBehindAProxyHeader) {
  relay_settings.expects_proxy_header = true;
  serve();
  auto client = std::unique_ptr<Client>(new Client{TlsPeer({}), &open_client()});
  send(*client->connection, "PROXY TCP4 192.0.2.7 192.0.2.1 4000 443\r\n");
  exchange(*client);
  expect_exchange(*client);
}

}  // namespace
}  // namespace flatproxy::test
