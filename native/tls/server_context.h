#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "config/tls_settings.h"
#include "tls/certificate.h"

struct ssl_ctx_st;

namespace flatproxy::tls {

/// What a listener's handshakes are made with: its certificates, versions, suites and application protocols. Immutable;
/// all lanes share it, and with it the keys of its session tickets.
class ServerContext {
 public:
  /// Reads the certificates. Throws Error: ERR_FLATPROXY_CERTIFICATE (see read_certificate()).
  explicit ServerContext(const TlsSettings& settings);
  ~ServerContext();
  ServerContext(const ServerContext&) = delete;
  ServerContext& operator=(const ServerContext&) = delete;

  /// What a handshake begins with; the client's server name may lead it to another certificate.
  ssl_ctx_st* library() const { return contexts_.front(); }
  /// The library's context for a server name: of the certificate that is for it, or for its parent's `*.`, or the
  /// first.
  ssl_ctx_st* find(std::string_view server_name) const;
  /// Whether another one would do the same, with the same certificates.
  bool is_same(const ServerContext& other) const {
    return settings_ == other.settings_ && fingerprint_ == other.fingerprint_;
  }

 private:
  void add(const Certificate& certificate);
  ssl_ctx_st* context_for(const Certificate& certificate);
  ssl_ctx_st* make_context() const;

  TlsSettings settings_;
  std::string fingerprint_;
  std::vector<ssl_ctx_st*> contexts_;
  std::unordered_map<std::string, ssl_ctx_st*> by_name_;  // `*.example`, too
};

}  // namespace flatproxy::tls
