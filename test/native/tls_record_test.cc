// Records: sealed and opened over pieces of any kind, what a record may not be, what is shared or scarce.
#include <gtest/gtest.h>

#include <optional>

#include "support/tls_bytes.h"
#include "tls/record.h"

namespace flatproxy::tls {
namespace {

using tcp::ByteQueue;
using test::bytes_of;
using test::ByteVector;
using test::Dice;
using test::from_hex;
using test::queue_of;
using test::random_bytes;
using Opened = RecordOpener::Opened;
using Sealed = RecordSealer::Sealed;

constexpr Suite kSuitesOfBoth[] = {Suite::aes_128_gcm, Suite::aes_256_gcm, Suite::chacha20_poly1305};

struct Mode {
  Version version;
  Suite suite;
};
std::vector<Mode> modes() {
  std::vector<Mode> all;
  for (const Version version : {Version::tls12, Version::tls13})
    for (const Suite suite : kSuitesOfBoth) all.push_back({version, suite});
  return all;
}

/// What open() gave, if a record.
struct Read {
  ContentType type;
  ByteVector content;

  bool operator==(const Read&) const = default;
};

struct TlsRecord : ::testing::Test {
  Buffers buffers{1024, 64, 256};
  RecordSealer sealer;
  RecordOpener opener;

  void use(Mode mode, uint64_t sequence = 0) { use(mode, sequence, *best_engine(mode.suite).engine); }
  void use(Mode mode, uint64_t sequence, const RecordEngine& engine) {
    ASSERT_TRUE(sealer.set_keys(test::random_keys(mode.version, mode.suite, 1), sequence, engine));
    ASSERT_TRUE(opener.set_keys(test::random_keys(mode.version, mode.suite, 1), sequence, engine));
  }
  ByteVector seal(ContentType type, ByteQueue&& plain) {
    ByteQueue out;
    EXPECT_EQ(sealer.seal(type, std::move(plain), out, buffers), Sealed::done);
    return bytes_of(out);
  }
  ByteVector seal(ContentType type, const ByteVector& plain, const std::vector<size_t>& lengths = {16384}) {
    return seal(type, queue_of(plain, lengths, buffers));
  }
  /// A record of TLS 1.3 with any content, type and padding among it.
  ByteVector seal_raw(const ByteVector& inner) {
    ByteVector text = inner;
    ByteVector record = {23, 3, 3, static_cast<uint8_t>((text.size() + 16) >> 8),
                         static_cast<uint8_t>(text.size() + 16)};
    const TrafficKeys keys = test::random_keys(sealer.version(), sealer.suite(), 1);
    uint8_t tag[kTagSize];
    const Piece piece{text.data(), static_cast<uint32_t>(text.size())};
    const auto key = libcrypto_engine().make(keys, Direction::seal);
    EXPECT_TRUE(key->seal(Nonce(keys.iv.data(), kNonceSize), record, {&piece, 1}, tag));  // number 0
    record.insert(record.end(), text.begin(), text.end());
    record.insert(record.end(), tag, tag + kTagSize);
    return record;
  }
  std::optional<Read> open(ByteQueue& in) {
    ByteQueue plain;
    ContentType type{};
    if (opener.open(in, plain, type, buffers) != Opened::record) return std::nullopt;
    return Read{type, bytes_of(plain)};
  }
  /// The alert that these bytes are refused with; nothing is given out.
  std::optional<Alert> alert_of(const ByteVector& bytes, const std::vector<size_t>& lengths = {16384}) {
    ByteQueue in = queue_of(bytes, lengths, buffers);
    ByteQueue plain;
    ContentType type{};
    const Opened opened = opener.open(in, plain, type, buffers);
    EXPECT_TRUE(opened == Opened::record || plain.empty());
    return opened == Opened::error ? std::optional(opener.alert()) : std::nullopt;
  }
  void TearDown() override { EXPECT_EQ(buffers.small.in_use() + buffers.large.in_use() + buffers.loans.in_use(), 0u); }
};

TEST_F(TlsRecord, OpensAndSealsTheTraceOfRfc8448) {
  const auto keys = keys_from_secret(Suite::aes_128_gcm,
                                     from_hex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5"));
  ASSERT_TRUE(keys && opener.set_keys(*keys) && sealer.set_keys(*keys));
  const ByteVector data = from_hex(
      "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b62974e1f5a6292a2"
      "977014bd1e3deae63aeebb21694915e4");
  const ByteVector close = from_hex("1703030013c9872760655666b74d7ff1153efd6db6d0b0e3");
  ByteVector expected(50);
  for (size_t i = 0; i < expected.size(); ++i) expected[i] = static_cast<uint8_t>(i);
  ByteQueue in = queue_of(data, {7}, buffers);
  in.append(queue_of(close, {1}, buffers));
  EXPECT_EQ(open(in), (Read{ContentType::application_data, expected}));
  EXPECT_EQ(open(in), (Read{ContentType::alert, {1, 0}}));
  EXPECT_EQ(seal(ContentType::application_data, expected), data);
  EXPECT_EQ(seal(ContentType::alert, {1, 0}), close);
}

TEST_F(TlsRecord, WhatIsSealedIsOpenedInEveryModeAndSize) {
  Dice dice(1);
  for (const Mode mode : modes()) {
    const uint32_t explicit_size = explicit_nonce_size(mode.version, mode.suite);
    const uint32_t overhead = 5 + 16 + (mode.version == Version::tls13 ? 1 : explicit_size);
    for (const RecordEngine* engine : {&libcrypto_engine(), best_engine(mode.suite).engine}) {
      use(mode, 0, *engine);
      for (const size_t n : {1u, 2u, 100u, 511u, 512u, 513u, 1024u, 2000u, 2176u, 8000u, 16383u, 16384u}) {
        const ByteVector plain = random_bytes(n, dice);
        const ByteVector record = seal(ContentType::application_data, plain, {n});
        EXPECT_EQ(record.size(), n + overhead);
        ByteQueue in = queue_of(record, {1448}, buffers);
        EXPECT_EQ(open(in), (Read{ContentType::application_data, plain})) << n;
        EXPECT_TRUE(in.empty());
      }
    }
  }
}

TEST_F(TlsRecord, PiecesOfAnyLengthsAreTheSameRecords) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    Dice dice(seed);
    const auto all = modes();
    use(all[dice.below(static_cast<uint32_t>(all.size()))]);
    const auto cuts = [&] {
      std::vector<size_t> lengths;
      for (uint32_t i = 0; i < 5; ++i) lengths.push_back(1 + dice.below(dice.below(2) == 0 ? 30 : 2176));
      return lengths;
    };
    ByteQueue in;
    std::vector<Read> expected;
    ByteVector stream;
    for (uint32_t i = 0; i < 4; ++i) {
      constexpr ContentType kTypes[] = {ContentType::alert, ContentType::handshake, ContentType::application_data};
      const ContentType type = kTypes[dice.below(3)];
      const ByteVector plain = random_bytes(1 + dice.below(dice.below(2) == 0 ? 100 : 3000), dice);
      const ByteVector record = seal(type, plain, cuts());
      stream.insert(stream.end(), record.begin(), record.end());
      expected.push_back({type, plain});
    }
    in = queue_of(stream, cuts(), buffers);
    for (const Read& read : expected) ASSERT_EQ(open(in), read) << "seed " << seed;
    EXPECT_TRUE(in.empty());
  }
}

TEST_F(TlsRecord, ARecordIsIncompleteUpToItsLastByte) {
  use({Version::tls12, Suite::aes_128_gcm});
  const ByteVector record = seal(ContentType::application_data, ByteVector(40, 7));
  ByteQueue in;
  for (const uint8_t byte : record) {
    EXPECT_EQ(open(in), std::nullopt);
    in.append(queue_of({byte}, {1}, buffers));
  }
  EXPECT_EQ(open(in), (Read{ContentType::application_data, ByteVector(40, 7)}));
}

TEST_F(TlsRecord, ABitFlippedAnywhereIsRefused) {
  for (const Mode mode : modes()) {
    use(mode);
    const ByteVector record = seal(ContentType::application_data, ByteVector(40, 7));
    for (uint32_t bit = kRecordHeaderSize * 8; bit < record.size() * 8; ++bit) {
      ByteVector bad = record;
      bad[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
      EXPECT_EQ(alert_of(bad, {11}), Alert::bad_record_mac) << bit;
    }
    EXPECT_EQ(alert_of(record), std::nullopt);
  }
}

TEST_F(TlsRecord, AnotherNumberIsRefused) {
  for (const Mode mode : modes()) {
    use(mode);
    const ByteVector first = seal(ContentType::application_data, ByteVector(40, 1));
    const ByteVector second = seal(ContentType::application_data, ByteVector(40, 2));
    EXPECT_EQ(alert_of(second), Alert::bad_record_mac);
    EXPECT_EQ(alert_of(first), std::nullopt);
    EXPECT_EQ(alert_of(first), Alert::bad_record_mac);
    EXPECT_EQ(alert_of(second), std::nullopt);
  }
}

TEST_F(TlsRecord, HeadersAreLookedAtBeforeTheRest) {
  for (const Mode mode : modes()) {
    use(mode);
    const bool tls13 = mode.version == Version::tls13;
    EXPECT_EQ(alert_of({19, 3, 3, 0, 40}), Alert::unexpected_message);
    EXPECT_EQ(alert_of({24, 3, 3, 0, 40}), Alert::unexpected_message);
    EXPECT_EQ(alert_of({23, 3, 1, 0, 40}), Alert::protocol_version);
    EXPECT_EQ(alert_of({23, 0x47, 0x45, 0x54, 0x20}), Alert::protocol_version);
    EXPECT_EQ(alert_of({23, 3, 3, 0, 0}), Alert::bad_record_mac);
    EXPECT_EQ(alert_of({23, 3, 3, 0, 15}), Alert::bad_record_mac);
    const uint32_t most = kMaxPlaintext + (tls13 ? 256 : 16 + explicit_nonce_size(mode.version, mode.suite));
    const auto with_length = [](uint32_t n) {
      return ByteVector{23, 3, 3, static_cast<uint8_t>(n >> 8), static_cast<uint8_t>(n)};
    };
    EXPECT_EQ(alert_of(with_length(most)), std::nullopt);
    EXPECT_EQ(alert_of(with_length(most + 1)), Alert::record_overflow);
    EXPECT_EQ(alert_of({22, 3, 3, 0, 40}), tls13 ? std::optional(Alert::unexpected_message) : std::nullopt);
  }
}

TEST_F(TlsRecord, InTls13ChangeCipherSpecComesAsItIs) {
  use({Version::tls13, Suite::aes_128_gcm});
  ByteQueue in = queue_of({20, 3, 3, 0, 1, 1}, {2}, buffers);
  EXPECT_EQ(open(in), (Read{ContentType::change_cipher_spec, {1}}));
  EXPECT_EQ(opener.sequence(), 0u);
  EXPECT_EQ(alert_of({20, 3, 3, 0, 2, 1, 1}), Alert::unexpected_message);
}

TEST_F(TlsRecord, PaddingIsTakenOff) {
  use({Version::tls13, Suite::aes_128_gcm});
  for (const size_t zeros : {0u, 1u, 15u, 200u}) {
    use({Version::tls13, Suite::aes_128_gcm});
    ByteVector inner = {'a', 0, 'b', 22};
    inner.resize(inner.size() + zeros);
    ByteQueue in = queue_of(seal_raw(inner), {3}, buffers);
    EXPECT_EQ(open(in), (Read{ContentType::handshake, {'a', 0, 'b'}}));
  }
}

TEST_F(TlsRecord, InnerTypesAndSizesAreChecked) {
  const auto alert_for = [&](const ByteVector& inner) {
    use({Version::tls13, Suite::aes_128_gcm});
    return alert_of(seal_raw(inner), {100});
  };
  EXPECT_EQ(alert_for(ByteVector(1, 0)), Alert::unexpected_message);
  EXPECT_EQ(alert_for(ByteVector(300, 0)), Alert::unexpected_message);
  for (const uint8_t type : ByteVector{1, 20, 24, 255}) EXPECT_EQ(alert_for({'x', type}), Alert::unexpected_message);
  EXPECT_EQ(alert_for({22}), Alert::unexpected_message);
  EXPECT_EQ(alert_for({21, 0, 0}), Alert::unexpected_message);
  EXPECT_EQ(alert_for({23}), std::nullopt);
  ByteVector large(kMaxPlaintext + 1, 'x');
  large.back() = 23;
  EXPECT_EQ(alert_for(large), std::nullopt);
  large.push_back(0);
  EXPECT_EQ(alert_for(large), Alert::record_overflow);
}

TEST_F(TlsRecord, OnlyApplicationDataMayBeEmpty) {
  for (const Mode mode : modes()) {
    use(mode);
    ByteQueue in = queue_of(seal(ContentType::application_data, ByteVector{}), {9}, buffers);
    EXPECT_EQ(open(in), (Read{ContentType::application_data, {}}));
    EXPECT_EQ(alert_of(seal(ContentType::handshake, ByteVector{})), Alert::unexpected_message);
  }
}

TEST_F(TlsRecord, PlaceAndNeighboursOfBytesDoNotMatter) {
  use({Version::tls13, Suite::aes_128_gcm});
  Dice dice(4);
  const ByteVector plain = random_bytes(1000, dice);
  const ByteVector expected = seal(ContentType::application_data, plain);
  use({Version::tls13, Suite::aes_128_gcm});
  ByteQueue roomy;
  roomy.push(test::segment_of(plain.data(), plain.size(), kHeadroom, buffers));
  const uint32_t before = buffers.small.in_use();
  ByteQueue out;
  ASSERT_EQ(sealer.seal(ContentType::application_data, std::move(roomy), out, buffers), Sealed::done);
  EXPECT_EQ(bytes_of(out), expected);
  EXPECT_EQ(buffers.small.in_use(), before) << "header and tag go where there is room";
  EXPECT_EQ(out.first()->next, nullptr);
}

// Bytes on both sides of a cut lie in one segment: neither the header nor the tag of one part may touch the other.
TEST_F(TlsRecord, PartsOfOneSegmentAreSealedEachForItself) {
  Dice dice(2);
  const ByteVector whole = random_bytes(2000, dice);
  use({Version::tls12, Suite::aes_128_gcm});
  const ByteVector first = seal(ContentType::application_data, ByteVector(whole.begin(), whole.begin() + 900));
  const ByteVector second = seal(ContentType::application_data, ByteVector(whole.begin() + 900, whole.end()));
  use({Version::tls12, Suite::aes_128_gcm});
  ByteQueue back;
  back.push(test::segment_of(whole.data(), whole.size(), kHeadroom, buffers));
  ByteQueue front = back.cut_front(900, buffers);
  ByteQueue out;
  ASSERT_EQ(sealer.seal(ContentType::application_data, std::move(front), out, buffers), Sealed::done);
  EXPECT_EQ(bytes_of(out), first);
  EXPECT_EQ(bytes_of(back), ByteVector(whole.begin() + 900, whole.end()));
  ByteQueue next;
  ASSERT_EQ(sealer.seal(ContentType::application_data, std::move(back), next, buffers), Sealed::done);
  EXPECT_EQ(bytes_of(out), first);
  EXPECT_EQ(bytes_of(next), second);
}

// As a frame shows a part of what its connection may have to send again.
ByteQueue shared_view(const ByteQueue& queue, Buffers& buffers) {
  ByteQueue view;
  for (Segment* s = queue.first(); s != nullptr; s = s->next) {
    Segment* loan = buffers.loans.borrow(s, s->data, s->length);
    loan->shared = true;
    view.push(loan);
  }
  return view;
}

TEST_F(TlsRecord, WhatOthersReadIsLeftAsItIs) {
  Dice dice(3);
  for (const size_t n : {100u, 3000u, 16384u}) {
    use({Version::tls13, Suite::aes_256_gcm});
    const ByteVector plain = random_bytes(n, dice);
    const ByteQueue sent = queue_of(plain, {1448}, buffers);
    ByteQueue mixed = shared_view(sent, buffers);
    const ByteVector record = seal(ContentType::application_data, std::move(mixed));
    EXPECT_EQ(bytes_of(sent), plain);

    const ByteQueue sealed = queue_of(record, {1448}, buffers);
    ByteQueue in = shared_view(sealed, buffers);
    EXPECT_EQ(open(in), (Read{ContentType::application_data, plain}));
    EXPECT_EQ(bytes_of(sealed), record);
  }
}

TEST_F(TlsRecord, PartsOfWhatOthersReadAreSharedToo) {
  use({Version::tls13, Suite::aes_128_gcm});
  const ByteVector plain(2000, 5);
  const ByteQueue sent = queue_of(plain, {2000}, buffers);
  ByteQueue view = shared_view(sent, buffers);
  ByteQueue front = view.cut_front(700, buffers);
  seal(ContentType::application_data, std::move(front));
  seal(ContentType::application_data, std::move(view));
  EXPECT_EQ(bytes_of(sent), plain);
}

// A large shared piece becomes several: they count among those that are worked on.
TEST_F(TlsRecord, FewLargeSharedPiecesAmongManySmallOnes) {
  use({Version::tls13, Suite::aes_128_gcm});
  Dice dice(8);
  const ByteVector plain = random_bytes(60 * 10 + 2 * 7500, dice);
  const ByteVector expected = seal(ContentType::application_data, plain);
  use({Version::tls13, Suite::aes_128_gcm});
  ByteQueue mixed = queue_of(ByteVector(plain.begin(), plain.begin() + 600), {10}, buffers);
  const ByteQueue sent = queue_of(ByteVector(plain.begin() + 600, plain.end()), {7500}, buffers);
  mixed.append(shared_view(sent, buffers));
  EXPECT_EQ(seal(ContentType::application_data, std::move(mixed)), expected);
}

TEST_F(TlsRecord, WithoutBuffersNothingIsDone) {
  Buffers few(12, 4, 1);
  Dice dice(6);
  const ByteVector plain = random_bytes(4000, dice);
  use({Version::tls13, Suite::aes_128_gcm});
  ByteQueue data = queue_of(plain, {2000}, few);
  std::vector<Segment*> taken;
  while (few.small.has(2)) taken.push_back(few.small.allocate());
  ByteQueue out;
  EXPECT_EQ(sealer.seal(ContentType::application_data, std::move(data), out, few), Sealed::no_buffers);
  EXPECT_EQ(bytes_of(data), plain);
  EXPECT_TRUE(out.empty());
  EXPECT_EQ(sealer.sequence(), 0u);
  for (Segment* segment : taken) drop(segment);
  EXPECT_EQ(sealer.seal(ContentType::application_data, std::move(data), out, few), Sealed::done);

  ByteVector stream = bytes_of(out);
  out.clear();
  stream.push_back(23);  // of the next record, in the same piece
  ByteQueue in = queue_of(stream, {2100}, few);
  Segment lender{};
  lender.references = 2;
  Segment* loan = few.loans.borrow(&lender, stream.data(), 1);
  ByteQueue opened;
  ContentType type{};
  EXPECT_EQ(opener.open(in, opened, type, few), Opened::no_buffers);
  EXPECT_EQ(bytes_of(in), stream);
  EXPECT_EQ(opener.sequence(), 0u);
  drop(loan);
  EXPECT_EQ(opener.open(in, opened, type, few), Opened::record);
  EXPECT_EQ(bytes_of(opened), plain);
  EXPECT_EQ(in.bytes(), 1u);
}

TEST_F(TlsRecord, NumbersDoNotWrap) {
  use({Version::tls13, Suite::chacha20_poly1305}, ~uint64_t{0} - 1);
  const ByteVector last = seal(ContentType::application_data, {1});
  ByteQueue plain = queue_of({2}, {1}, buffers);
  ByteQueue out;
  EXPECT_EQ(sealer.seal(ContentType::application_data, std::move(plain), out, buffers), Sealed::no_sequence);
  EXPECT_EQ(plain.bytes(), 1u);
  EXPECT_EQ(alert_of(last), std::nullopt);
  EXPECT_EQ(alert_of(last), Alert::internal_error);
}

TEST_F(TlsRecord, AsksForNewKeysWhenTheseHaveDoneEnough) {
  constexpr uint64_t kMost = 1u << 24;
  use({Version::tls13, Suite::aes_128_gcm}, kMost - 1);
  EXPECT_FALSE(sealer.wants_rekey());
  seal(ContentType::application_data, {1});
  EXPECT_TRUE(sealer.wants_rekey());
  use({Version::tls13, Suite::aes_128_gcm});
  EXPECT_FALSE(sealer.wants_rekey());
  for (const Mode mode : {Mode{Version::tls12, Suite::aes_128_gcm}, Mode{Version::tls13, Suite::chacha20_poly1305}}) {
    use(mode, kMost);
    EXPECT_FALSE(sealer.wants_rekey());
  }
}

TEST_F(TlsRecord, AConnectionsRecordLayerIsSmall) {
  constexpr size_t kExpandedKey = 1152;  // of ipsec-mb; tls_engine_test.cc
  EXPECT_LE(sizeof(RecordSealer) + sizeof(RecordOpener) + 2 * kExpandedKey, 2560u);
}

}  // namespace
}  // namespace flatproxy::tls
