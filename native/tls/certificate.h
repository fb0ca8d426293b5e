#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/tls_settings.h"

struct x509_st;
struct evp_pkey_st;

namespace flatproxy::tls {

struct FreeLibrary {
  void operator()(x509_st* certificate) const;
  void operator()(evp_pkey_st* key) const;
};
using CertificatePtr = std::unique_ptr<x509_st, FreeLibrary>;
using KeyPtr = std::unique_ptr<evp_pkey_st, FreeLibrary>;

/// A certificate that a server shows, and the key that proves that it is its own. The key stays in the library's
/// memory.
struct Certificate {
  CertificatePtr leaf;
  std::vector<CertificatePtr> issuers;  ///< in the order of the file
  KeyPtr key;
  std::vector<std::string> names;  ///< it is for these hosts, in lower case: `shop.example`, `*.example`
  std::string fingerprint;         ///< of all certificates, 32 bytes for each (SHA-256)
};

/// Reads both files and checks that they belong together. Throws Error ERR_FLATPROXY_CERTIFICATE, which names the file
/// and says what is wrong with it; never what stands in it.
Certificate read_certificate(const CertificateFiles& files);

}  // namespace flatproxy::tls
