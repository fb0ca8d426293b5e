#include "tls/ipsec_mb.h"

#include <memory>

namespace flatproxy::tls {
namespace {

struct Free {
  void operator()(IMB_MGR* manager) const { free_mb_mgr(manager); }
};

IpsecMb refused(const char* why) { return {false, why, why, {}, {}, {}}; }

const char* gcm_limit(const IMB_MGR& manager, IMB_ARCH arch) {
  constexpr uint64_t kFastest = IMB_FEATURE_AVX512_SKX | IMB_FEATURE_VAES | IMB_FEATURE_VPCLMULQDQ;
  if ((manager.features & kFastest) == kFastest) return nullptr;
  switch (arch) {
    case IMB_ARCH_AVX512:
      return "the processor has no VAES: ipsec-mb's AVX-512 code without it";
    case IMB_ARCH_AVX2:
      return "the processor has no AVX-512 with VAES: ipsec-mb's AVX2 code";
    case IMB_ARCH_AVX:
      return "the processor has no AVX-512 with VAES: ipsec-mb's AVX code";
    default:
      return "the processor has no AVX-512 with VAES: ipsec-mb's SSE code";
  }
}

const char* chacha_limit(IMB_ARCH arch) {
  switch (arch) {
    case IMB_ARCH_AVX512:
      return nullptr;
    case IMB_ARCH_AVX2:
      return "the processor has no AVX-512: ipsec-mb's AVX2 code";
    case IMB_ARCH_AVX:
      return "the processor has no AVX-512: ipsec-mb's AVX code";
    default:
      return "the processor has no AVX-512: ipsec-mb's SSE code";
  }
}

IpsecMb load() {
  if (imb_get_version() != IMB_VERSION_NUM) return refused("ipsec-mb is of another version than its headers");
  // The functions are all that is needed of the manager, which is large.
  const std::unique_ptr<IMB_MGR, Free> manager(alloc_mb_mgr(0));
  if (manager == nullptr) return refused("ipsec-mb found no memory");
  IMB_ARCH arch = IMB_ARCH_NONE;
  init_mb_mgr_auto(manager.get(), &arch);
  if (arch == IMB_ARCH_NONE || arch == IMB_ARCH_NOAESNI) return refused("the processor has no AES instructions");
  if ((manager->features & IMB_FEATURE_SELF_TEST) != 0 && (manager->features & IMB_FEATURE_SELF_TEST_PASS) == 0)
    return refused("ipsec-mb fails its own test");
  const IMB_MGR& m = *manager;
  return {true,
          gcm_limit(m, arch),
          chacha_limit(arch),
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
