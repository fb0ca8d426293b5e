#include "tls/traffic_keys.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

#include "tls/libcrypto.h"

namespace flatproxy::tls {
namespace {

struct Free {
  void operator()(EVP_KDF_CTX* context) const { EVP_KDF_CTX_free(context); }
  void operator()(EVP_KDF* function) const { EVP_KDF_free(function); }
};

OSSL_PARAM octets(const char* name, std::span<const uint8_t> bytes) {
  return OSSL_PARAM_construct_octet_string(name, const_cast<uint8_t*>(bytes.data()), bytes.size());
}
OSSL_PARAM octets(const char* name, std::string_view text) {
  return OSSL_PARAM_construct_octet_string(name, const_cast<char*>(text.data()), text.size());
}
OSSL_PARAM digest(Suite suite) {
  static char sha256[] = "SHA256";
  static char sha384[] = "SHA384";
  return OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, hash_of(suite) == Hash::sha384 ? sha384 : sha256, 0);
}

using Function = std::unique_ptr<EVP_KDF, Free>;

/// To be done once: OpenSSL looks a function up for longer than it takes to use it.
Function fetch(const char* name) {
  return Function(start_libcrypto() ? EVP_KDF_fetch(nullptr, name, nullptr) : nullptr);
}

bool derive(const Function& function, const OSSL_PARAM* parameters, std::span<uint8_t> to) {
  if (function == nullptr) return false;
  const std::unique_ptr<EVP_KDF_CTX, Free> context(EVP_KDF_CTX_new(function.get()));
  return context != nullptr && EVP_KDF_derive(context.get(), to.data(), to.size(), parameters) == 1;
}

/// HKDF-Expand-Label(secret, label, "", to.size()), RFC 8446 section 7.1.
bool expand_label(Suite suite, std::span<const uint8_t> secret, std::string_view label, std::span<uint8_t> to) {
  static const Function function = fetch("TLS13-KDF");
  int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
  const OSSL_PARAM parameters[] = {
      digest(suite),
      OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
      octets(OSSL_KDF_PARAM_KEY, secret),
      octets(OSSL_KDF_PARAM_PREFIX, std::string_view("tls13 ")),
      octets(OSSL_KDF_PARAM_LABEL, label),
      OSSL_PARAM_construct_end(),
  };
  return derive(function, parameters, to);
}

}  // namespace

std::optional<TrafficKeys> keys_from_secret(Suite suite, std::span<const uint8_t> secret) {
  TrafficKeys keys;
  keys.version = Version::tls13;
  keys.suite = suite;
  if (!expand_label(suite, secret, "key", {keys.key.data(), key_size(suite)})) return std::nullopt;
  if (!expand_label(suite, secret, "iv", {keys.iv.data(), kNonceSize})) return std::nullopt;
  return keys;
}

std::optional<TrafficSecret> next_secret(Suite suite, std::span<const uint8_t> secret) {
  TrafficSecret next;
  if (!expand_label(suite, secret, "traffic upd", {next.data(), hash_size(hash_of(suite))})) return std::nullopt;
  return next;
}

std::optional<KeyBlock> key_block(Suite suite, std::span<const uint8_t, kMasterSecretSize> master,
                                  std::span<const uint8_t, kRandomSize> client_random,
                                  std::span<const uint8_t, kRandomSize> server_random) {
  static const Function function = fetch("TLS1-PRF");
  const OSSL_PARAM parameters[] = {
      digest(suite),
      octets(OSSL_KDF_PARAM_SECRET, master),
      octets(OSSL_KDF_PARAM_SEED, std::string_view("key expansion")),
      octets(OSSL_KDF_PARAM_SEED, server_random),
      octets(OSSL_KDF_PARAM_SEED, client_random),
      OSSL_PARAM_construct_end(),
  };
  const uint32_t key = key_size(suite);
  const uint32_t iv = fixed_nonce_size(Version::tls12, suite);
  Secret<2 * (kMaxKeySize + kNonceSize)> bytes;
  if (!derive(function, parameters, {bytes.data(), 2 * size_t{key + iv}})) return std::nullopt;
  KeyBlock block;
  const uint8_t* from = bytes.data();
  for (TrafficKeys* keys : {&block.client_write, &block.server_write}) {
    keys->version = Version::tls12;
    keys->suite = suite;
    std::copy_n(from, key, keys->key.data());
    from += key;
  }
  for (TrafficKeys* keys : {&block.client_write, &block.server_write}) {
    std::copy_n(from, iv, keys->iv.data());
    from += iv;
  }
  return block;
}

}  // namespace flatproxy::tls
