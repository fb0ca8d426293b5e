// Our records and OpenSSL's: after a handshake of two of its objects, one of them speaks with ours, under the same
// keys.
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <string>

#include "support/record_peers.h"
#include "tls/record.h"

namespace flatproxy::tls {
namespace {

using tcp::ByteQueue;
using test::ByteVector;
using test::Dice;
using test::RecordPeers;

struct Case {
  uint16_t id;
  const char* cipher;
  bool rsa;
};
constexpr Case kCases[] = {
    {0x1301, "TLS_AES_128_GCM_SHA256", false},        {0x1302, "TLS_AES_256_GCM_SHA384", false},
    {0x1303, "TLS_CHACHA20_POLY1305_SHA256", false},  {0xc02b, "ECDHE-ECDSA-AES128-GCM-SHA256", false},
    {0xc02c, "ECDHE-ECDSA-AES256-GCM-SHA384", false}, {0xcca9, "ECDHE-ECDSA-CHACHA20-POLY1305", false},
    {0xc02f, "ECDHE-RSA-AES128-GCM-SHA256", true},    {0xc030, "ECDHE-RSA-AES256-GCM-SHA384", true},
    {0xcca8, "ECDHE-RSA-CHACHA20-POLY1305", true},
};

/// The records of ours in the place of one of two peers, the other of which stays OpenSSL's.
struct TlsRecordPeers : ::testing::TestWithParam<Case> {
  Buffers buffers{1024, 64, 256};
  NegotiatedSuite suite = *suite_of(GetParam().id);
  RecordSealer sealer;
  RecordOpener opener;

  RecordPeers peers(size_t tickets = 0) const { return {suite, GetParam().cipher, GetParam().rsa, tickets}; }
  /// Takes the client's place, or the server's. What a handshake of TLS 1.2 sends under the keys is its Finished.
  void stand_in(const RecordPeers& of, bool for_client, uint64_t server_sent = 0) {
    const uint64_t finished = suite.version == Version::tls12 ? 1 : 0;
    const uint64_t of_server = finished + server_sent;
    ASSERT_TRUE(sealer.set_keys(of.keys(for_client), for_client ? finished : of_server));
    ASSERT_TRUE(opener.set_keys(of.keys(!for_client), for_client ? of_server : finished));
  }
  ByteVector seal(ContentType type, const ByteVector& plain) {
    ByteQueue out;
    EXPECT_EQ(sealer.seal(type, test::queue_of(plain, {1460}, buffers), out, buffers), RecordSealer::Sealed::done);
    return test::bytes_of(out);
  }
  /// The content of all records, which are of one type.
  ByteVector open(const ByteVector& bytes, ContentType expected = ContentType::application_data) {
    ByteQueue in = test::queue_of(bytes, {1448, 700}, buffers);
    ByteQueue plain;
    while (!in.empty()) {
      ContentType type{};
      const auto opened = opener.open(in, plain, type, buffers);
      EXPECT_EQ(opened, RecordOpener::Opened::record);
      EXPECT_EQ(type, expected);
      if (opened != RecordOpener::Opened::record) break;
    }
    return test::bytes_of(plain);
  }
};

/// What TLS 1.2 has not.
struct Tls13RecordPeers : TlsRecordPeers {};

std::string name_of(const ::testing::TestParamInfo<Case>& of) {
  std::string name = of.param.cipher;
  std::erase_if(name, [](char c) { return c == '-' || c == '_'; });
  return name;
}
INSTANTIATE_TEST_SUITE_P(All, TlsRecordPeers, ::testing::ValuesIn(kCases), name_of);
INSTANTIATE_TEST_SUITE_P(All, Tls13RecordPeers, ::testing::Values(kCases[0], kCases[1], kCases[2]), name_of);

TEST_P(TlsRecordPeers, ReadsWhatWeSealAndWritesWhatWeOpen) {
  Dice dice(1);
  for (const bool for_client : {true, false}) {
    const RecordPeers both = peers();
    ASSERT_TRUE(both.connected());
    SSL* peer = for_client ? both.server() : both.client();
    ASSERT_EQ(SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(peer)), GetParam().id);
    stand_in(both, for_client);
    for (const size_t n : {1u, 100u, 511u, 1000u, 5000u, 16384u}) {
      const ByteVector there = test::random_bytes(n, dice);
      RecordPeers::give(peer, seal(ContentType::application_data, there));
      EXPECT_EQ(RecordPeers::read(peer), there) << n;
      const ByteVector back = test::random_bytes(3 * n, dice);
      ASSERT_EQ(SSL_write(peer, back.data(), static_cast<int>(back.size())), static_cast<int>(back.size()));
      EXPECT_EQ(open(RecordPeers::written(peer)), back) << n;
    }
  }
}

TEST_P(TlsRecordPeers, AlertsPassBothWays) {
  const RecordPeers both = peers();
  stand_in(both, true);
  RecordPeers::give(both.server(), seal(ContentType::alert, {1, 0}));
  EXPECT_TRUE(RecordPeers::read(both.server()).empty());
  EXPECT_EQ(SSL_get_shutdown(both.server()), SSL_RECEIVED_SHUTDOWN);
  SSL_shutdown(both.server());
  EXPECT_EQ(open(RecordPeers::written(both.server()), ContentType::alert), (ByteVector{1, 0}));
}

TEST_P(TlsRecordPeers, RefusesWhatIsNotOfTheseKeys) {
  const RecordPeers both = peers();
  stand_in(both, true);
  ByteVector record = seal(ContentType::application_data, {1, 2, 3});
  record.back() ^= 1;
  RecordPeers::give(both.server(), record);
  uint8_t byte;
  EXPECT_EQ(SSL_get_error(both.server(), SSL_read(both.server(), &byte, 1)), SSL_ERROR_SSL);
}

TEST_P(Tls13RecordPeers, AServerGoesOnBehindItsTickets) {
  const RecordPeers both = peers(2);
  RecordPeers::read(both.client());  // the tickets
  stand_in(both, false, 2);
  const ByteVector data(1000, 7);
  RecordPeers::give(both.client(), seal(ContentType::application_data, data));
  EXPECT_EQ(RecordPeers::read(both.client()), data);
}

TEST_P(Tls13RecordPeers, KeysAreUpdatedBothWays) {
  const RecordPeers both = peers();
  SSL* peer = both.server();
  stand_in(both, true);
  ByteVector ours = both.secret(true);
  ByteVector theirs = both.secret(false);
  const auto updated = [&](ByteVector& secret) {
    const auto next = next_secret(suite.suite, secret);
    secret.assign(next->data(), next->data() + secret.size());
    return keys_from_secret(suite.suite, secret);
  };
  for (uint8_t i = 1; i <= 3; ++i) {
    const ByteVector data(1000, i);
    // RFC 8446 section 4.6.3: a KeyUpdate that asks for none in return.
    RecordPeers::give(peer, seal(ContentType::handshake, {24, 0, 0, 1, 0}));
    ASSERT_TRUE(sealer.set_keys(*updated(ours)));
    RecordPeers::give(peer, seal(ContentType::application_data, data));
    EXPECT_EQ(RecordPeers::read(peer), data);

    ASSERT_EQ(SSL_key_update(peer, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    ASSERT_EQ(SSL_do_handshake(peer), 1);
    EXPECT_EQ(open(RecordPeers::written(peer), ContentType::handshake), (ByteVector{24, 0, 0, 1, 0}));
    ASSERT_TRUE(opener.set_keys(*updated(theirs)));
    ASSERT_EQ(SSL_write(peer, data.data(), 1000), 1000);
    EXPECT_EQ(open(RecordPeers::written(peer)), data);
  }
}

}  // namespace
}  // namespace flatproxy::tls
