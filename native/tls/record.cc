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
  const bool counted = explicit_size() == 0;
  const uint64_t number = counted ? wire::load64(iv_.data() + kSalt) ^ sequence_ : wire::load64(explicit_part);
  std::array<uint8_t, kNonceSize> nonce;
  // In the words that the engines read: bytes that were written otherwise would have to be waited for.
  wire::store64(nonce.data(), uint64_t{wire::load32(iv_.data())} << 32 | number >> 32);
  wire::store32(nonce.data() + sizeof(uint64_t), static_cast<uint32_t>(number));
  return nonce;
}

RecordKeys::Aad RecordKeys::aad(uint8_t type, uint32_t length, uint32_t content) const {
  const bool tls13 = version_ == Version::tls13;
  const uint64_t header =
      uint64_t{type} << 56 | uint64_t{kVersionNumber} << 40 | uint64_t{tls13 ? length : content} << 24;
  Aad aad;
  if (tls13) {
    wire::store64(aad.bytes.data(), header);
    aad.size = kRecordHeaderSize;
    return aad;
  }
  wire::store64(aad.bytes.data(), sequence_);
  wire::store64(aad.bytes.data() + sizeof(sequence_), header);
  aad.size = sizeof(sequence_) + kRecordHeaderSize;
  return aad;
}

}  // namespace flatproxy::tls
