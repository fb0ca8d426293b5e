#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "tls/cipher_suite.h"
#include "tls/secret.h"

namespace flatproxy::tls {

/// What protects the records of one direction. Moved, never copied; wiped when they end.
struct TrafficKeys {
  Version version = Version::tls13;
  Suite suite = Suite::aes_128_gcm;
  Secret<kMaxKeySize> key;  ///< the first key_size(suite) bytes
  Secret<kNonceSize> iv;    ///< the first fixed_nonce_size(version, suite) bytes
};

constexpr size_t kMaxSecretSize = 48;
/// A traffic secret: its first hash_size(hash_of(suite)) bytes.
using TrafficSecret = Secret<kMaxSecretSize>;

/// The keys of a TLS 1.3 traffic secret (RFC 8446 section 7.3).
/// @param secret as many bytes as the suite's hash has
/// @returns nothing when libcrypto fails: for want of memory
std::optional<TrafficKeys> keys_from_secret(Suite suite, std::span<const uint8_t> secret);

/// The traffic secret that follows this one, after a KeyUpdate (RFC 8446 section 7.2). Parameters and failure as above.
std::optional<TrafficSecret> next_secret(Suite suite, std::span<const uint8_t> secret);

/// The keys of a TLS 1.2 connection.
struct KeyBlock {
  TrafficKeys client_write;
  TrafficKeys server_write;
};
constexpr size_t kMasterSecretSize = 48;
constexpr size_t kRandomSize = 32;

/// The key block of TLS 1.2 (RFC 5246 section 6.3; RFC 5288, RFC 7905).
/// @returns nothing when libcrypto fails: for want of memory
std::optional<KeyBlock> key_block(Suite suite, std::span<const uint8_t, kMasterSecretSize> master,
                                  std::span<const uint8_t, kRandomSize> client_random,
                                  std::span<const uint8_t, kRandomSize> server_random);

}  // namespace flatproxy::tls
