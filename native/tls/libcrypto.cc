#include "tls/libcrypto.h"

#include <openssl/crypto.h>
#include <openssl/opensslv.h>

namespace flatproxy::tls {
namespace {

bool start() {
  constexpr uint64_t kOptions = OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT;
  return OpenSSL_version_num() == OPENSSL_VERSION_NUMBER && OPENSSL_init_crypto(kOptions, nullptr) == 1;
}

}  // namespace

bool start_libcrypto() {
  static const bool works = start();
  return works;
}

}  // namespace flatproxy::tls
