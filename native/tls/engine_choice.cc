#include <array>

#include "tls/record_engine.h"
#if defined(__x86_64__)
#include "tls/ipsec_mb.h"
#endif

namespace flatproxy::tls {
namespace {

#if defined(__x86_64__)
EngineChoice choose() {
  const IpsecMb& library = ipsec_mb();
  if (!library.works) return {&libcrypto_engine(), library.limit};
  return {ipsec_mb_engine(), library.limit};
}
#else
EngineChoice choose() { return {&libcrypto_engine(), "ipsec-mb is not built for this architecture"}; }
#endif

}  // namespace

#if !defined(__x86_64__)
const RecordEngine* ipsec_mb_engine() { return nullptr; }
#endif

const EngineChoice& best_engine(Suite) {
  static const EngineChoice choice = choose();
  return choice;
}

}  // namespace flatproxy::tls
