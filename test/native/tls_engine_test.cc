// The crypto engines: known vectors, agreement with OpenSSL's EVP whatever the pieces, and what does not verify.
#include <gtest/gtest.h>
#include <malloc.h>
#include <openssl/evp.h>

#include <new>

#include "support/tls_bytes.h"
#include "tls/record_engine.h"
#if defined(__x86_64__)
#include "tls/ipsec_mb.h"
#endif

namespace flatproxy::tls {
namespace {

using test::ByteVector;
using test::Dice;
using test::from_hex;
using test::random_bytes;

constexpr Suite kAll[] = {Suite::aes_128_gcm, Suite::aes_256_gcm, Suite::chacha20_poly1305};

/// What has been sealed: the text and its tag.
struct Sealed {
  ByteVector text;
  std::array<uint8_t, kTagSize> tag{};

  bool operator==(const Sealed&) const = default;
};

struct Message {
  ByteVector nonce;
  ByteVector aad;
  ByteVector text;

  Nonce nonce_span() const { return Nonce(nonce.data(), kNonceSize); }
};

std::vector<Piece> pieces_of(ByteVector& text, const std::vector<size_t>& cuts) {
  std::vector<Piece> pieces;
  size_t at = 0;
  for (const size_t cut : cuts) {
    pieces.push_back({text.data() + at, static_cast<uint32_t>(cut - at)});
    at = cut;
  }
  pieces.push_back({text.data() + at, static_cast<uint32_t>(text.size() - at)});
  return pieces;
}

Sealed seal(RecordKey& key, const Message& message, const std::vector<size_t>& cuts = {}) {
  Sealed sealed{message.text};
  EXPECT_TRUE(key.seal(message.nonce_span(), message.aad, pieces_of(sealed.text, cuts), sealed.tag));
  return sealed;
}

/// By EVP, on one flat text.
Sealed reference(const TrafficKeys& keys, const Message& message) {
  const char* const names[] = {"AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305"};
  EVP_CIPHER* cipher = EVP_CIPHER_fetch(nullptr, names[static_cast<size_t>(keys.suite)], nullptr);
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  Sealed sealed{message.text};
  int n = 0;
  EXPECT_EQ(EVP_EncryptInit_ex2(context, cipher, keys.key.data(), message.nonce.data(), nullptr), 1);
  EXPECT_EQ(EVP_EncryptUpdate(context, nullptr, &n, message.aad.data(), static_cast<int>(message.aad.size())), 1);
  EXPECT_EQ(
      EVP_EncryptUpdate(context, sealed.text.data(), &n, message.text.data(), static_cast<int>(message.text.size())),
      1);
  EXPECT_EQ(EVP_EncryptFinal_ex(context, sealed.text.data() + n, &n), 1);
  EXPECT_EQ(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTagSize, sealed.tag.data()), 1);
  EVP_CIPHER_CTX_free(context);
  EVP_CIPHER_free(cipher);
  return sealed;
}

struct TlsEngine : ::testing::TestWithParam<const RecordEngine*> {
  static std::unique_ptr<RecordKey> key(const TrafficKeys& keys, Direction direction) {
    auto key = GetParam()->make(keys, direction);
    EXPECT_NE(key, nullptr);
    return key;
  }
};

std::vector<const RecordEngine*> engines() {
  std::vector<const RecordEngine*> all{&libcrypto_engine()};
  if (ipsec_mb_engine() != nullptr) all.push_back(ipsec_mb_engine());
  return all;
}

INSTANTIATE_TEST_SUITE_P(All, TlsEngine, ::testing::ValuesIn(engines()),
                         [](const auto& engine) { return engine.index == 0 ? "Libcrypto" : "IpsecMb"; });

struct Vector {
  Suite suite;
  const char *key, *nonce, *aad, *text, *sealed, *tag;
};
constexpr const char* kGcmText =
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba"
    "637b39";
// The test cases 4 and 16 of GCM's specification, and RFC 8439 section 2.8.2.
const Vector kVectors[] = {
    {Suite::aes_128_gcm, "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2", kGcmText,
     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973"
     "d"
     "58e091",
     "5bc94fbc3221a5db94fae95ae7121a47"},
    {Suite::aes_256_gcm, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2", kGcmText,
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0ab"
     "c"
     "c9f662",
     "76fc6ece0f4e1768cddf8853bb2d551b"},
    {Suite::chacha20_poly1305, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
     "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7",
     "4c616469657320616e642047656e746c656d656e206f662074686520636c617373206f66202739393a204966204920636f756c64206f66666"
     "5"
     "7220796f75206f6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73637265656e20776f756c642062652069742"
     "e",
     "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b290"
     "5"
     "d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b611"
     "6",
     "1ae10b594f09e26a7e902ecbd0600691"},
};

TEST_P(TlsEngine, SealsAndOpensTheKnownVectors) {
  for (const Vector& vector : kVectors) {
    TrafficKeys keys;
    keys.suite = vector.suite;
    std::ranges::copy(from_hex(vector.key), keys.key.data());
    const Message message{from_hex(vector.nonce), from_hex(vector.aad), from_hex(vector.text)};
    Sealed sealed = seal(*key(keys, Direction::seal), message);
    EXPECT_EQ(sealed.text, from_hex(vector.sealed));
    EXPECT_EQ(ByteVector(sealed.tag.begin(), sealed.tag.end()), from_hex(vector.tag));
    ASSERT_TRUE(key(keys, Direction::open)
                    ->open(message.nonce_span(), message.aad, pieces_of(sealed.text, {}), ConstTag(sealed.tag)));
    EXPECT_EQ(sealed.text, message.text);
  }
}

TEST_P(TlsEngine, CutsAnywhereChangeNothing) {
  Dice dice(1);
  for (const Suite suite : kAll) {
    const TrafficKeys keys = test::random_keys(Version::tls13, suite, 5);
    const auto sealer = key(keys, Direction::seal);
    const auto opener = key(keys, Direction::open);
    for (const size_t n : {0u, 1u, 15u, 16u, 17u, 63u, 64u, 65u, 130u, 300u, 1100u}) {
      const Message message{random_bytes(12, dice), random_bytes(5, dice), random_bytes(n, dice)};
      const Sealed expected = reference(keys, message);
      for (size_t cut = 0; cut <= n; ++cut) {
        ASSERT_EQ(seal(*sealer, message, {cut}), expected) << n << " cut at " << cut;
        Sealed sealed = expected;
        ASSERT_TRUE(
            opener->open(message.nonce_span(), message.aad, pieces_of(sealed.text, {cut}), ConstTag(sealed.tag)));
        ASSERT_EQ(sealed.text, message.text) << n << " cut at " << cut;
      }
    }
  }
}

TEST_P(TlsEngine, AgreesWithEvpOnAnyTextInAnyPieces) {
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    Dice dice(seed);
    const TrafficKeys keys = test::random_keys(Version::tls13, kAll[dice.below(3)], seed);
    const size_t n = dice.below(2) == 0 ? dice.below(200) : dice.below(16385);
    const Message message{random_bytes(12, dice), random_bytes(dice.below(2) == 0 ? 5 : 13, dice),
                          random_bytes(n, dice)};
    std::vector<size_t> cuts;
    for (uint32_t i = dice.below(12); i > 0; --i) cuts.push_back(dice.below(static_cast<uint32_t>(n) + 1));
    std::ranges::sort(cuts);
    Sealed sealed = seal(*key(keys, Direction::seal), message, cuts);
    ASSERT_EQ(sealed, reference(keys, message)) << "seed " << seed;
    ASSERT_TRUE(key(keys, Direction::open)
                    ->open(message.nonce_span(), message.aad, pieces_of(sealed.text, cuts), ConstTag(sealed.tag)));
    ASSERT_EQ(sealed.text, message.text) << "seed " << seed;
  }
}

TEST_P(TlsEngine, GivesOutNothingThatDoesNotVerify) {
  Dice dice(9);
  for (const Suite suite : kAll) {
    const TrafficKeys keys = test::random_keys(Version::tls13, suite, 5);
    const Message message{random_bytes(12, dice), random_bytes(5, dice), random_bytes(100, dice)};
    const Sealed good = seal(*key(keys, Direction::seal), message);
    const auto opener = key(keys, Direction::open);
    const auto refuses = [&](const Message& m, Sealed sealed, const std::vector<size_t>& cuts) {
      if (opener->open(m.nonce_span(), m.aad, pieces_of(sealed.text, cuts), ConstTag(sealed.tag))) return false;
      return sealed.text == ByteVector(100, 0);
    };
    for (const std::vector<size_t>& cuts : {std::vector<size_t>{}, {40}}) {
      for (uint32_t bit = 0; bit < 100 * 8; ++bit) {
        Sealed bad = good;
        bad.text[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
        ASSERT_TRUE(refuses(message, bad, cuts)) << bit;
      }
      for (uint32_t bit = 0; bit < kTagSize * 8; ++bit) {
        Sealed bad = good;
        bad.tag[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
        ASSERT_TRUE(refuses(message, bad, cuts)) << bit;
      }
      Message other = message;
      other.aad[4] ^= 1;
      EXPECT_TRUE(refuses(other, good, cuts));
      other = message;
      other.nonce[11] ^= 1;
      EXPECT_TRUE(refuses(other, good, cuts));
    }
    Sealed sealed = good;
    EXPECT_TRUE(opener->open(message.nonce_span(), message.aad, pieces_of(sealed.text, {}), ConstTag(sealed.tag)));
  }
}

TEST(TlsEngineChoice, SaysWhyNoFasterOneIsUsed) {
  for (const Suite suite : kAll) {
    const EngineChoice& choice = best_engine(suite);
    ASSERT_NE(choice.engine, nullptr);
    if (choice.engine == &libcrypto_engine()) {
      EXPECT_NE(choice.limit, nullptr);
    }
  }
}

#if defined(__x86_64__)
TEST(TlsEngineChoice, IpsecMbIsOfTheVersionOfItsHeaders) { EXPECT_EQ(imb_get_version(), unsigned{IMB_VERSION_NUM}); }

// What a key holds is its own memory: destroyed, not yet given back.
TEST(TlsIpsecMbKey, IsSmallAndWipedWhenItEnds) {
  if (ipsec_mb_engine() == nullptr) GTEST_SKIP() << ipsec_mb().gcm_limit;
  for (const Suite suite : kAll) {
    const TrafficKeys keys = test::random_keys(Version::tls13, suite, 5);
    RecordKey* key = ipsec_mb_engine()->make(keys, Direction::seal).release();
    const size_t size = malloc_usable_size(key);
    EXPECT_LE(size, 1152u);
    const auto* memory = reinterpret_cast<const uint8_t*>(key);
    const auto holds_key = [&] { return memmem(memory, size, keys.key.data(), key_size(suite)) != nullptr; };
    EXPECT_TRUE(holds_key());
    key->~RecordKey();
    EXPECT_FALSE(holds_key());
    if (suite == Suite::chacha20_poly1305) {
      ::operator delete(key);
    } else {
      ::operator delete(key, std::align_val_t{64});
    }
  }
}
#endif

}  // namespace
}  // namespace flatproxy::tls
