#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "tls/cipher_suite.h"
#include "tls/traffic_keys.h"

namespace flatproxy::tls {

/// A part of a record's content, which is worked on in place.
struct Piece {
  uint8_t* data;
  uint32_t length;
};

using Nonce = std::span<const uint8_t, kNonceSize>;
using Tag = std::span<uint8_t, kTagSize>;
using ConstTag = std::span<const uint8_t, kTagSize>;

/// An expanded key, for one direction of one connection. Wiped when it ends.
class RecordKey {
 public:
  RecordKey() = default;
  RecordKey(const RecordKey&) = delete;
  RecordKey& operator=(const RecordKey&) = delete;
  virtual ~RecordKey() = default;

  /// Encrypts the pieces, as one text, in place. False: the library failed; they are then of no use, and zero.
  /// @param nonce never one that this key has sealed with
  virtual bool seal(Nonce nonce, std::span<const uint8_t> aad, std::span<const Piece> pieces, Tag tag) = 0;

  /// Decrypts the pieces, as one text, in place. False: they are not what was sealed with this tag; they are then zero.
  virtual bool open(Nonce nonce, std::span<const uint8_t> aad, std::span<const Piece> pieces, ConstTag tag) = 0;
};

enum class Direction : uint8_t { seal, open };

/// A library's AEADs. Has no state: any thread may use it.
class RecordEngine {
 public:
  virtual ~RecordEngine() = default;

  virtual const char* name() const = 0;
  /// nullptr: out of memory, or the suite is not one of the engine's.
  virtual std::unique_ptr<RecordKey> make(const TrafficKeys& keys, Direction direction) const = 0;
};

/// OpenSSL's libcrypto: everywhere, every suite. About 1.2 KB a key.
const RecordEngine& libcrypto_engine();

/// intel-ipsec-mb: on x86-64 alone. 1.1 KB a key of AES, 64 bytes one of ChaCha20.
/// @returns nullptr where it was not built, or the processor cannot run it
const RecordEngine* ipsec_mb_engine();

/// Which engine a suite's records are best worked on with here, and why with none that is faster.
struct EngineChoice {
  const RecordEngine* engine;
  const char* limit;  ///< for people: what keeps from a faster one; nullptr: nothing does
};
const EngineChoice& best_engine(Suite suite);

}  // namespace flatproxy::tls
