// The key schedule of TLS 1.3, against the traces of RFC 8448 (that of TLS 1.2: tls_record_peers_test.cc), and what is
// left of secrets in memory.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <new>

#include "support/tls_bytes.h"
#include "tls/libcrypto.h"

namespace flatproxy::tls {
namespace {

using test::ByteVector;
using test::from_hex;

ByteVector key_of(const TrafficKeys& keys) { return {keys.key.data(), keys.key.data() + key_size(keys.suite)}; }
ByteVector iv_of(const TrafficKeys& keys) {
  return {keys.iv.data(), keys.iv.data() + fixed_nonce_size(keys.version, keys.suite)};
}

TEST(TlsKeys, OpensslIsOfTheVersionOfItsHeaders) { EXPECT_TRUE(start_libcrypto()); }

TEST(TlsKeys, AreThoseOfTheTraces) {
  struct Trace {
    const char* secret;
    const char* key;
    const char* iv;
  };
  // RFC 8448 section 3: the handshake's and the application's secrets of server and client.
  const Trace traces[] = {
      {"b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38", "3fce516009c21727d0f2e4e86ee403bc",
       "5d313eb2671276ee13000b30"},
      {"b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21", "dbfaa693d1762c5b666af5d950258d01",
       "5bd3c71b836e0b76bb73265f"},
      {"a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643", "9f02283b6c9c07efc26bb9f2ac92e356",
       "cf782b88dd83549aadf1e984"},
      {"9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5", "17422dda596ed5d9acd890e3c63f5051",
       "5b78923dee08579033e523d9"},
  };
  for (const Trace& trace : traces) {
    const auto keys = keys_from_secret(Suite::aes_128_gcm, from_hex(trace.secret));
    ASSERT_TRUE(keys);
    EXPECT_EQ(key_of(*keys), from_hex(trace.key));
    EXPECT_EQ(iv_of(*keys), from_hex(trace.iv));
    EXPECT_EQ(keys->version, Version::tls13);
  }
}

TEST(TlsKeys, EachSecretGivesAnotherOneOfItsHashsSize) {
  for (const Suite suite : {Suite::aes_128_gcm, Suite::aes_256_gcm, Suite::chacha20_poly1305}) {
    const size_t size = hash_size(hash_of(suite));
    const ByteVector secret(size, 7);
    const auto next = next_secret(suite, secret);
    const auto after = next ? next_secret(suite, next->first(size)) : std::nullopt;
    ASSERT_TRUE(after);
    EXPECT_NE(std::memcmp(next->data(), secret.data(), size), 0);
    EXPECT_NE(std::memcmp(next->data(), after->data(), size), 0);
  }
}

TEST(TlsKeys, SuitesHaveTheirNumbers) {
  const Suite all[] = {Suite::aes_128_gcm, Suite::aes_256_gcm, Suite::chacha20_poly1305};
  for (const Suite suite : all) {
    EXPECT_EQ(suite_of(tls13_id(suite)), (NegotiatedSuite{Version::tls13, suite}));
    for (const Signer signer : {Signer::ecdsa, Signer::rsa})
      EXPECT_EQ(suite_of(tls12_id(suite, signer)), (NegotiatedSuite{Version::tls12, suite}));
  }
  EXPECT_EQ(tls13_id(Suite::chacha20_poly1305), 0x1303);
  EXPECT_EQ(tls12_id(Suite::chacha20_poly1305, Signer::rsa), 0xcca8);
  EXPECT_EQ(tls12_id(Suite::aes_256_gcm, Signer::ecdsa), 0xc02c);
  EXPECT_FALSE(suite_of(0x1304));  // AES-CCM
  EXPECT_FALSE(suite_of(0xc013));  // CBC
}

TEST(TlsKeys, AreWipedWhereTheyHaveBeen) {
  const std::unique_ptr<uint8_t[]> memory[2] = {std::make_unique<uint8_t[]>(sizeof(TrafficKeys)),
                                                std::make_unique<uint8_t[]>(sizeof(TrafficKeys))};
  auto* keys = new (memory[0].get()) TrafficKeys(test::random_keys(Version::tls13, Suite::aes_256_gcm, 3));
  const ByteVector key = key_of(*keys);
  auto* moved = new (memory[1].get()) TrafficKeys(std::move(*keys));
  EXPECT_EQ(key_of(*moved), key);
  const auto holds_key = [&](const std::unique_ptr<uint8_t[]>& where) {
    return memmem(where.get(), sizeof(TrafficKeys), key.data(), 8) != nullptr;
  };
  EXPECT_TRUE(holds_key(memory[1]));
  EXPECT_FALSE(holds_key(memory[0]));
  moved->~TrafficKeys();
  EXPECT_FALSE(holds_key(memory[1]));
  keys->~TrafficKeys();
}

}  // namespace
}  // namespace flatproxy::tls
