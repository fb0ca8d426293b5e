#include <array>

#include "tls/record_engine.h"
#if defined(__x86_64__)
#include "tls/ipsec_mb.h"
#endif

namespace flatproxy::tls {
namespace {

#if defined(__x86_64__)
EngineChoice choose(Suite suite) {
  const IpsecMb& library = ipsec_mb();
  const char* limit = suite == Suite::chacha20_poly1305 ? library.chacha_limit : library.gcm_limit;
  return {library.works ? ipsec_mb_engine() : &libcrypto_engine(), limit};
}
#else
EngineChoice choose(Suite) { return {&libcrypto_engine(), "ipsec-mb is not built for this architecture"}; }
#endif

}  // namespace

#if !defined(__x86_64__)
const RecordEngine* ipsec_mb_engine() { return nullptr; }
#endif

const EngineChoice& best_engine(Suite suite) {
  static const std::array<EngineChoice, kSuites> choices = {choose(Suite::aes_128_gcm), choose(Suite::aes_256_gcm),
                                                            choose(Suite::chacha20_poly1305)};
  return choices[static_cast<size_t>(suite)];
}

}  // namespace flatproxy::tls
