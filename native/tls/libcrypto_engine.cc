#include <openssl/evp.h>

#include <new>
#include <utility>

#include "tls/libcrypto.h"
#include "tls/record_engine.h"

namespace flatproxy::tls {
namespace {

struct Free {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }  // wipes it
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, Free>;

void wipe_all(std::span<const Piece> pieces) {
  for (const Piece& piece : pieces) wipe(piece.data, piece.length);
}

class Key final : public RecordKey {
 public:
  explicit Key(Context context) : context_(std::move(context)) {}

  bool seal(Nonce nonce, std::span<const uint8_t> aad, std::span<const Piece> pieces, Tag tag) override {
    if (work(nonce, aad, pieces) && finish() &&
        EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG, kTagSize, tag.data()) == 1)
      return true;
    wipe_all(pieces);
    return false;
  }

  bool open(Nonce nonce, std::span<const uint8_t> aad, std::span<const Piece> pieces, ConstTag tag) override {
    if (work(nonce, aad, pieces) &&
        EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_SET_TAG, kTagSize, const_cast<uint8_t*>(tag.data())) == 1 &&
        finish())
      return true;
    wipe_all(pieces);
    return false;
  }

 private:
  // EVP_CipherX work in the direction that the context was made for.
  bool work(Nonce nonce, std::span<const uint8_t> aad, std::span<const Piece> pieces) {
    int done = 0;
    if (EVP_CipherInit_ex2(context_.get(), nullptr, nullptr, nonce.data(), -1, nullptr) != 1) return false;
    if (EVP_CipherUpdate(context_.get(), nullptr, &done, aad.data(), static_cast<int>(aad.size())) != 1) return false;
    for (const Piece& piece : pieces) {
      if (piece.length == 0) continue;
      if (EVP_CipherUpdate(context_.get(), piece.data, &done, piece.data, static_cast<int>(piece.length)) != 1)
        return false;
    }
    return true;
  }
  bool finish() {
    uint8_t none[EVP_MAX_BLOCK_LENGTH];
    int done = 0;
    return EVP_CipherFinal_ex(context_.get(), none, &done) == 1;
  }

  Context context_;
};

/// Fetched once: looking an algorithm up takes a lock, and longer than the rest. Never given back.
const EVP_CIPHER* cipher_of(Suite suite) {
  static const EVP_CIPHER* const kCiphers[kSuites] = {
      EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr),
      EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr),
      EVP_CIPHER_fetch(nullptr, "ChaCha20-Poly1305", nullptr),
  };
  return kCiphers[static_cast<size_t>(suite)];
}

class Engine final : public RecordEngine {
 public:
  const char* name() const override { return "libcrypto"; }
  std::unique_ptr<RecordKey> make(const TrafficKeys& keys, Direction direction) const override {
    if (!start_libcrypto()) return nullptr;
    const EVP_CIPHER* cipher = cipher_of(keys.suite);
    Context context(EVP_CIPHER_CTX_new());
    if (cipher == nullptr || context == nullptr) return nullptr;
    const int seals = direction == Direction::seal ? 1 : 0;
    if (EVP_CipherInit_ex2(context.get(), cipher, keys.key.data(), nullptr, seals, nullptr) != 1) return nullptr;
    return std::unique_ptr<RecordKey>(new (std::nothrow) Key(std::move(context)));
  }
};

}  // namespace

const RecordEngine& libcrypto_engine() {
  static const Engine engine;
  return engine;
}

}  // namespace flatproxy::tls
