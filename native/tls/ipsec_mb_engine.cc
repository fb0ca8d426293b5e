#include <openssl/crypto.h>

#include <cstring>
#include <new>

#include "tls/ipsec_mb.h"
#include "tls/record_engine.h"

namespace flatproxy::tls {
namespace {

/// Memory of a call that holds what nobody may see later.
template <typename T>
struct Wiped : T {
  ~Wiped() { wipe(static_cast<T*>(this), sizeof(T)); }
};

/// Whether the tag is the right one; what belongs to another one is not given out.
bool verify(ConstTag tag, const uint8_t* computed, std::span<const Piece> pieces) {
  if (CRYPTO_memcmp(tag.data(), computed, kTagSize) == 0) return true;
  for (const Piece& piece : pieces) wipe(piece.data, piece.length);
  return false;
}

class GcmKey final : public RecordKey {
 public:
  GcmKey(const IpsecMb::Gcm& gcm, const uint8_t* key) : gcm_(gcm) { gcm_.expand(key, &key_); }
  ~GcmKey() override { wipe(&key_, sizeof(key_)); }

  bool seal(Nonce nonce, std::span<const uint8_t> aad, std::span<const Piece> pieces, Tag tag) override {
    run({gcm_.seal, gcm_.seal_update, gcm_.seal_finish}, nonce, aad, pieces, tag.data());
    return true;
  }
  bool open(Nonce nonce, std::span<const uint8_t> aad, std::span<const Piece> pieces, ConstTag tag) override {
    uint8_t computed[kTagSize];
    run({gcm_.open, gcm_.open_update, gcm_.open_finish}, nonce, aad, pieces, computed);
    return verify(tag, computed, pieces);
  }

 private:
  struct Calls {
    aes_gcm_enc_dec_t whole;
    aes_gcm_enc_dec_update_t update;
    aes_gcm_enc_dec_finalize_t finish;
  };
  void run(const Calls& calls, Nonce nonce, std::span<const uint8_t> aad, std::span<const Piece> pieces,
           uint8_t* tag) const {
    Wiped<gcm_context_data> context;
    if (pieces.size() == 1) {
      calls.whole(&key_, &context, pieces[0].data, pieces[0].data, pieces[0].length, nonce.data(), aad.data(),
                  aad.size(), tag, kTagSize);
      return;
    }
    gcm_.init(&key_, &context, nonce.data(), aad.data(), aad.size());
    for (const Piece& piece : pieces) calls.update(&key_, &context, piece.data, piece.data, piece.length);
    calls.finish(&key_, &context, tag, kTagSize);
  }

  const IpsecMb::Gcm& gcm_;
  alignas(64) gcm_key_data key_;
};

class ChaChaKey final : public RecordKey {
 public:
  ChaChaKey(const IpsecMb::ChaCha& chacha, const uint8_t* key) : chacha_(chacha) {
    std::memcpy(key_.data(), key, key_.size());
  }

  bool seal(Nonce nonce, std::span<const uint8_t> aad, std::span<const Piece> pieces, Tag tag) override {
    run(chacha_.seal_update, nonce, aad, pieces, tag.data());
    return true;
  }
  bool open(Nonce nonce, std::span<const uint8_t> aad, std::span<const Piece> pieces, ConstTag tag) override {
    uint8_t computed[kTagSize];
    run(chacha_.open_update, nonce, aad, pieces, computed);
    return verify(tag, computed, pieces);
  }

 private:
  void run(chacha_poly_enc_dec_update_t update, Nonce nonce, std::span<const uint8_t> aad,
           std::span<const Piece> pieces, uint8_t* tag) const {
    Wiped<chacha20_poly1305_context_data> context;
    chacha_.init(key_.data(), &context, nonce.data(), aad.data(), aad.size());
    for (const Piece& piece : pieces) update(key_.data(), &context, piece.data, piece.data, piece.length);
    chacha_.finish(&context, tag, kTagSize);
  }

  const IpsecMb::ChaCha& chacha_;
  Secret<kMaxKeySize> key_;
};

class Engine final : public RecordEngine {
 public:
  const char* name() const override { return "ipsec-mb"; }
  std::unique_ptr<RecordKey> make(const TrafficKeys& keys, Direction) const override {
    const IpsecMb& library = ipsec_mb();
    if (keys.suite == Suite::chacha20_poly1305)
      return std::unique_ptr<RecordKey>(new (std::nothrow) ChaChaKey(library.chacha, keys.key.data()));
    const IpsecMb::Gcm& gcm = keys.suite == Suite::aes_128_gcm ? library.gcm128 : library.gcm256;
    return std::unique_ptr<RecordKey>(new (std::nothrow) GcmKey(gcm, keys.key.data()));
  }
};

}  // namespace

const RecordEngine* ipsec_mb_engine() {
  static const Engine engine;
  return ipsec_mb().works ? &engine : nullptr;
}

}  // namespace flatproxy::tls
