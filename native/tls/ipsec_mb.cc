#include "tls/ipsec_mb.h"

#include <memory>

namespace flatproxy::tls {
namespace {

struct Free {
  void operator()(IMB_MGR* manager) const { free_mb_mgr(manager); }
};

IpsecMb refused(const char* why) { return {false, why, why, {}, {}, {}}; }

constexpr uint64_t kAvx512Vaes = IMB_FEATURE_AVX512_SKX | IMB_FEATURE_VAES | IMB_FEATURE_VPCLMULQDQ;

bool has(uint64_t features, uint64_t wanted) { return (features & wanted) == wanted; }

const char* gcm_limit(uint64_t features) {
  // clang-format off
  if (has(features, kAvx512Vaes))            return nullptr;
  if (has(features, IMB_FEATURE_AVX512_SKX)) return "the processor has no VAES: ipsec-mb's AVX-512 code without it";
  if (has(features, IMB_FEATURE_AVX2))       return "the processor has no AVX-512 with VAES: ipsec-mb's AVX2 code";
  if (has(features, IMB_FEATURE_AVX))        return "the processor has no AVX-512 with VAES: ipsec-mb's AVX code";
  return "the processor has no AVX-512 with VAES: ipsec-mb's SSE code";
  // clang-format on
}

const char* chacha_limit(uint64_t features) {
  // clang-format off
  if (has(features, IMB_FEATURE_AVX512_SKX)) return nullptr;
  if (has(features, IMB_FEATURE_AVX2))       return "the processor has no AVX-512: ipsec-mb's AVX2 code";
  if (has(features, IMB_FEATURE_AVX))        return "the processor has no AVX-512: ipsec-mb's AVX code";
  return "the processor has no AVX-512: ipsec-mb's SSE code";
  // clang-format on
}

IpsecMb load() {
  if (imb_get_version() != IMB_VERSION_NUM) return refused("ipsec-mb is of another version than its headers");
  // The functions are all that is needed of the manager, which is large.
  const std::unique_ptr<IMB_MGR, Free> manager(alloc_mb_mgr(0));
  if (manager == nullptr) return refused("ipsec-mb found no memory");
  IMB_ARCH arch = IMB_ARCH_NONE;
  init_mb_mgr_auto(manager.get(), &arch);
  const uint64_t features = manager->features;
  if (arch == IMB_ARCH_NONE || !has(features, IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ))
    return refused("the processor has no AES instructions");
  if (has(features, IMB_FEATURE_SELF_TEST) && !has(features, IMB_FEATURE_SELF_TEST_PASS))
    return refused("ipsec-mb fails its own test");
  const IMB_MGR& m = *manager;
  return {true,
          gcm_limit(features),
          chacha_limit(features),
          {m.gcm128_pre, m.gcm128_enc, m.gcm128_dec, m.gcm128_init, m.gcm128_enc_update, m.gcm128_dec_update,
           m.gcm128_enc_finalize, m.gcm128_dec_finalize},
          {m.gcm256_pre, m.gcm256_enc, m.gcm256_dec, m.gcm256_init, m.gcm256_enc_update, m.gcm256_dec_update,
           m.gcm256_enc_finalize, m.gcm256_dec_finalize},
          {m.chacha20_poly1305_init, m.chacha20_poly1305_enc_update, m.chacha20_poly1305_dec_update,
           m.chacha20_poly1305_finalize}};
}

}  // namespace

const IpsecMb& ipsec_mb() {
  static const IpsecMb loaded = load();
  return loaded;
}

}  // namespace flatproxy::tls
