#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "config/tls_settings.h"

namespace flatproxy::test {

/// A certification authority in a folder of its own, which goes with it.
class Authority {
 public:
  enum class Kind { ecdsa, rsa };

  Authority();
  ~Authority();
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;

  /// A certificate for these names, and its key, in files of their own.
  CertificateFiles issue(const std::vector<std::string>& names, Kind kind = Kind::ecdsa);
  /// The authority's own certificate.
  std::string root() const { return (folder_ / "root.pem").string(); }
  /// A file in its folder.
  std::string write(const std::string& name, const std::string& text) const;
  std::string read(const std::string& path) const;

 private:
  struct Issuer;

  std::filesystem::path folder_;
  Issuer* issuer_;
  int issued_ = 0;
};

}  // namespace flatproxy::test
