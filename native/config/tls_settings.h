#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace flatproxy {

/// A certificate with those that it was issued by, and its private key: files in PEM.
struct CertificateFiles {
  std::string certificate;
  std::string key;
  bool operator==(const CertificateFiles&) const = default;
};

/// What a listener asks of TLS (names as in the mesh).
struct TlsSettings {
  enum class Version : uint8_t { tls12, tls13 };

  std::vector<CertificateFiles> certificates;  ///< at least one; the first serves names that none is for
  Version oldest = Version::tls12;
  bool http = false;  ///< offers http/1.1 (ALPN)
  bool operator==(const TlsSettings&) const = default;
};

}  // namespace flatproxy
