#include "tls/secret.h"

#include <openssl/crypto.h>

namespace flatproxy::tls {

void wipe(void* memory, size_t bytes) { OPENSSL_cleanse(memory, bytes); }

}  // namespace flatproxy::tls
