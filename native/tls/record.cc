#include "tls/record.h"

#include <algorithm>

#include "wire/bytes.h"

namespace flatproxy::tls {
namespace {

// RFC 8446 section 5.5: of AES-GCM at most 2^24.5 records of full size. ChaCha20-Poly1305's numbers end before it does.
constexpr uint64_t kMostOfGcm = 1u << 24;

}  // namespace

bool RecordKeys::set(const TrafficKeys& keys, const RecordEngine& engine, Direction direction, uint64_t sequence) {
  std::unique_ptr<RecordKey> key = engine.make(keys, direction);
  if (key == nullptr) return false;
  key_ = std::move(key);
  version_ = keys.version;
  suite_ = keys.suite;
  sequence_ = sequence;
  std::copy_n(keys.iv.data(), kNonceSize, iv_.data());
  const bool limited = version_ == Version::tls13 && suite_ != Suite::chacha20_poly1305;
  rekey_at_ = limited ? kMostOfGcm : kLastSequence;
  return true;
}

std::array<uint8_t, kNonceSize> RecordKeys::nonce(const uint8_t* explicit_part) const {
  constexpr uint32_t kSalt = kNonceSize - sizeof(uint64_t);
  std::array<uint8_t, kNonceSize> nonce;
  std::copy_n(iv_.data(), kNonceSize, nonce.data());
  if (explicit_size() > 0) {
    std::copy_n(explicit_part, sizeof(uint64_t), nonce.data() + kSalt);
  } else {
    uint8_t number[sizeof(uint64_t)];
    wire::store64(number, sequence_);
    for (uint32_t i = 0; i < sizeof(number); ++i) nonce[kSalt + i] ^= number[i];
  }
  return nonce;
}

RecordKeys::Aad RecordKeys::aad(const uint8_t* header, uint32_t content) const {
  Aad aad;
  if (version_ == Version::tls13) {
    std::copy_n(header, kRecordHeaderSize, aad.bytes.data());
    aad.size = kRecordHeaderSize;
    return aad;
  }
  wire::store64(aad.bytes.data(), sequence_);
  std::copy_n(header, 3, aad.bytes.data() + 8);
  wire::store16(aad.bytes.data() + 11, static_cast<uint16_t>(content));
  aad.size = static_cast<uint32_t>(aad.bytes.size());
  return aad;
}

}  // namespace flatproxy::tls
