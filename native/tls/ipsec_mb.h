#pragma once

#include <intel-ipsec-mb.h>

namespace flatproxy::tls {

/// What is used of intel-ipsec-mb, in its code for this processor.
struct IpsecMb {
  struct Gcm {
    aes_gcm_pre_t expand;
    aes_gcm_enc_dec_t seal;
    aes_gcm_enc_dec_t open;
    aes_gcm_init_t init;
    aes_gcm_enc_dec_update_t seal_update;
    aes_gcm_enc_dec_update_t open_update;
    aes_gcm_enc_dec_finalize_t seal_finish;
    aes_gcm_enc_dec_finalize_t open_finish;
  };
  struct ChaCha {
    chacha_poly_init_t init;
    chacha_poly_enc_dec_update_t seal_update;
    chacha_poly_enc_dec_update_t open_update;
    chacha_poly_finalize_t finish;
  };
  bool works;  ///< else only the limits hold
  // For people: why the fastest code is not used; nullptr: it is.
  const char* gcm_limit;
  const char* chacha_limit;
  Gcm gcm128;
  Gcm gcm256;
  ChaCha chacha;
};
const IpsecMb& ipsec_mb();

}  // namespace flatproxy::tls
