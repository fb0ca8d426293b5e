#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "packet/buffers.h"
#include "wire/address.h"

namespace flatproxy::test {

/// The engine's plan as a test wants it: ports named a, b, c..., port i with 10.0.i.1/24 and fd00:0:0:i::1/64, or
/// another host in other subnets.
struct Plan {
  unsigned ports = 2;
  std::string routes = "[]";  ///< beside the connected ones
  std::string services = "[]";
  std::string flows;  ///< members of `flows` that differ from the defaults: "\"track\":\"all\","
  uint32_t capacity = 4096;
  std::string listeners = "[]";
  unsigned first_subnet = 0;
  unsigned host = 1;
  bool joined = false;  ///< the first two ports with each other; they have no addresses then
  std::string http_routes = "[]";
  bool node = false;  ///< the node's own stack is a port, behind the others
  std::string workloads = "[]";
  std::string policies = R"({"default":"allow","selectors":[],"rules":[]})";

  /// @param whole false: it changes the plan of the generation before
  std::string text(uint64_t generation, bool whole) const;
};

/// One service named shop, 80 -> 8080: `{"10.1.1.1", "10.1.1.2"}` behind `address`.
std::string service_json(const std::vector<std::string>& endpoints, const std::string& address = "10.9.9.9",
                         const std::string& protocol = "tcp");

/// One listener, on any port, named door with the id 0, whose connections go to the service 0.
/// @param relay members of `relay` that differ from the defaults: "\"maxConnections\":3,"
std::string listener_json(const std::string& address, uint16_t port, const std::string& relay = "");

/// The same of a listener that intercepts what goes to a prefix. @param service id, or null: whom the client addresses
std::string intercept_json(const std::string& within, uint16_t port, const std::string& service = "null",
                           const std::string& relay = "");

/// The MACs of flatproxy's end of a port, and of everyone behind it.
inline wire::Mac own_mac(unsigned port) { return {{2, 0, 0, 0, 0, static_cast<uint8_t>(port + 1)}}; }
inline wire::Mac peer_mac(unsigned port) { return {{2, 0, 0, 1, 0, static_cast<uint8_t>(port)}}; }

/// The answer to an ARP request or a neighbour solicitation: whoever is asked for has this MAC. nullptr: it is none.
Segment* neighbor_answer(const Segment* frame, const wire::Mac& mac, Buffers& buffers);

}  // namespace flatproxy::test
