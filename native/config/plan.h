#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/snapshot.h"

namespace flatproxy {

/// A port that has just been opened, with the addresses that it has by itself: its `own` ones when the mesh names none.
struct OpenedPort {
  template <std::derived_from<Port> AnyPort>
  OpenedPort(std::shared_ptr<AnyPort> opened, std::vector<wire::Prefix> its_addresses = {})
      : port(std::move(opened)), addresses(std::move(its_addresses)) {}

  std::shared_ptr<Port> port;
  std::vector<wire::Prefix> addresses;
  std::shared_ptr<Port> host;  ///< the node's own stack behind it, where there is such a thing
};

/// Opens a port that a plan names for the first time. @param config its JSON in the plan. Throws Error.
using OpenPort = std::function<OpenedPort(uint16_t id, const std::string& name, const std::string& config)>;

/// What the handshakes of a listener over TLS are made with. Throws Error.
using MakeTls = std::function<std::shared_ptr<const tls::ServerContext>(const TlsSettings& settings)>;

/// Builds a snapshot from a plan: what the mesh's planner (lib/mesh/plan.ts) makes of a checked mesh, as JSON with
/// names resolved to ids. What the plan leaves out is shared with `base`, the snapshot in force (null: there is none);
/// of what it names, so are ports with the same config and services that are the same after all. Ports are opened last.
/// Throws Error; nothing has changed then, and ports that were opened on the way are closed:
/// - ERR_FLATPROXY_INTERNAL: the plan contradicts itself, the base or its format; the message names the place.
/// - ERR_FLATPROXY_UNSUPPORTED: it changes what is fixed while it is in use: an open port's config, the flow capacity.
/// - whatever `open` and `make_tls` throw.
/// @param make_tls without it no handshakes are made: no key is read for what only explains or judges
std::shared_ptr<const Snapshot> build_snapshot(std::string_view plan, const Snapshot* base, const OpenPort& open,
                                               const MakeTls& make_tls = {});

}  // namespace flatproxy
