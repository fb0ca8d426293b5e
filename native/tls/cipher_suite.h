#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace flatproxy::tls {

enum class Version : uint8_t { tls12, tls13 };

/// What protects records; the same in both versions.
enum class Suite : uint8_t { aes_128_gcm, aes_256_gcm, chacha20_poly1305 };
constexpr size_t kSuites = 3;

/// Of the key schedule.
enum class Hash : uint8_t { sha256, sha384 };

/// What a TLS 1.2 suite's server signs with; suites of TLS 1.3 leave it open.
enum class Signer : uint8_t { ecdsa, rsa };

constexpr uint32_t kMaxKeySize = 32;
constexpr uint32_t kNonceSize = 12;
constexpr uint32_t kTagSize = 16;

constexpr uint32_t key_size(Suite suite) { return suite == Suite::aes_128_gcm ? 16 : 32; }
constexpr Hash hash_of(Suite suite) { return suite == Suite::aes_256_gcm ? Hash::sha384 : Hash::sha256; }
constexpr uint32_t hash_size(Hash hash) { return hash == Hash::sha384 ? 48 : 32; }

/// Bytes of the nonce that the keys give: the others stand in each record.
constexpr uint32_t fixed_nonce_size(Version version, Suite suite) {
  return version == Version::tls12 && suite != Suite::chacha20_poly1305 ? 4 : kNonceSize;
}
/// Bytes of the nonce in front of each record's content (RFC 5288).
constexpr uint32_t explicit_nonce_size(Version version, Suite suite) {
  return kNonceSize - fixed_nonce_size(version, suite);
}

/// A suite as it is negotiated.
struct NegotiatedSuite {
  Version version;
  Suite suite;

  bool operator==(const NegotiatedSuite&) const = default;
};

/// By IANA's number; nothing: none of ours.
constexpr std::optional<NegotiatedSuite> suite_of(uint16_t id) {
  // clang-format off
  switch (id) {
    case 0x1301: return NegotiatedSuite{Version::tls13, Suite::aes_128_gcm};
    case 0x1302: return NegotiatedSuite{Version::tls13, Suite::aes_256_gcm};
    case 0x1303: return NegotiatedSuite{Version::tls13, Suite::chacha20_poly1305};
    case 0xc02b: case 0xc02f: return NegotiatedSuite{Version::tls12, Suite::aes_128_gcm};
    case 0xc02c: case 0xc030: return NegotiatedSuite{Version::tls12, Suite::aes_256_gcm};
    case 0xcca8: case 0xcca9: return NegotiatedSuite{Version::tls12, Suite::chacha20_poly1305};
    default: return std::nullopt;
  }
  // clang-format on
}

/// IANA's number of a suite of TLS 1.3.
constexpr uint16_t tls13_id(Suite suite) { return static_cast<uint16_t>(0x1301 + static_cast<uint16_t>(suite)); }

/// IANA's number of an ECDHE suite of TLS 1.2.
constexpr uint16_t tls12_id(Suite suite, Signer signer) {
  constexpr uint16_t kIds[kSuites][2] = {{0xc02b, 0xc02f}, {0xc02c, 0xc030}, {0xcca9, 0xcca8}};
  return kIds[static_cast<size_t>(suite)][static_cast<size_t>(signer)];
}

}  // namespace flatproxy::tls
