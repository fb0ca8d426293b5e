#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/http_settings.h"
#include "config/tls_settings.h"
#include "packet/segment.h"
#include "wire/address.h"
#include "wire/protocol.h"

namespace flatproxy {

namespace tls {
class ServerContext;
}

/// Limit that ids rest on; the mesh's checker enforces it with a problem that names it.
constexpr uint32_t kMaxListeners = 4096;

/// How a listener's TCP connections are relayed. A limit of 0 is none.
struct RelaySettings {
  Nanoseconds connect_timeout = 5'000'000'000;      ///< for the endpoint to answer, and for a PROXY header to come
  Nanoseconds idle_timeout = 3'600'000'000'000;     ///< without a byte in either direction
  uint32_t max_connections = 0;                     ///< of the listener
  uint32_t max_per_client = 0;                      ///< of one source address
  bool expects_proxy_header = false;                ///< in front of what a trusted client sends
  bool over_tls = false;                            ///< behind that header, if there is one
  std::shared_ptr<const tls::ServerContext> tls{};  ///< nullptr, though over_tls: no handshake can be done here
  bool operator==(const RelaySettings&) const = default;
};

/// Who answers for a listener, and for which share of its connections.
struct Backend {
  static constexpr uint32_t kOriginal = ~0u;  ///< whom the client has addressed

  uint32_t service;  ///< id, or kOriginal
  uint32_t weight;   ///< relative to the others; 0: none
  bool operator==(const Backend&) const = default;
};

/// Addresses whose TCP connections end here and are relayed to endpoints. Immutable; shared by successive snapshots
/// while it does not change.
struct Listener {
  static constexpr uint8_t protocol = wire::protocol::kTcp;
  static constexpr uint16_t kAnyPort = 0xffff;

  uint32_t id;  ///< dense, stable while its name lives
  std::string name;
  std::vector<wire::Address> addresses;  ///< ours
  std::vector<wire::Prefix> within;      ///< others', whose connections are intercepted as they pass through
  uint16_t port;                         ///< TCP
  uint16_t on = kAnyPort;                ///< id of the port by which its clients come
  std::vector<Backend> backends;
  RelaySettings relay;
  std::vector<wire::Prefix> trusted;  ///< whose PROXY headers are believed
  std::optional<TlsSettings> tls;     ///< nothing: in the clear
  bool http = false;                  ///< its connections carry HTTP, and routes lead on; else backends do
  HttpSettings http_settings;
  bool operator==(const Listener&) const = default;
};

}  // namespace flatproxy
