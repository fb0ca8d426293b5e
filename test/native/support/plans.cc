#include "support/plans.h"

#include <algorithm>

#include "packet/frame.h"
#include "support/frames.h"

namespace flatproxy::test {
namespace {

constexpr const char* kTimeouts =
    R"("timeouts":{"tcpSynSent":30000,"tcpSynReceived":30000,"tcpEstablished":7440000,"tcpFinWait":120000,)"
    R"("tcpCloseWait":60000,"tcpLastAck":30000,"tcpTimeWait":120000,"tcpClose":10000,"udp":30000,"udpAssured":180000,)"
    R"("icmp":30000,"fragment":5000})";

constexpr const char* kPool =
    R"({"maxPending":1024,"idleTimeout":60000,"maxRequests":0,"affinityCookie":null,"hash":null,)"
    R"("eject":{"failures":5,"for":30000}})";

Segment* frame_of(const std::vector<uint8_t>& bytes, Buffers& buffers) {
  Segment* frame = buffers.small.allocate();
  append(frame, bytes.data(), static_cast<uint32_t>(bytes.size()), buffers);
  return frame;
}

std::vector<uint8_t> arp_reply(const std::vector<uint8_t>& request, const wire::Mac& mac) {
  std::vector<uint8_t> reply(request.begin(), request.begin() + 42);
  std::copy(request.begin() + 6, request.begin() + 12, reply.begin());
  std::copy(mac.bytes.begin(), mac.bytes.end(), reply.begin() + 6);
  reply[21] = 2;
  std::copy(mac.bytes.begin(), mac.bytes.end(), reply.begin() + 22);
  std::copy(request.begin() + 38, request.begin() + 42, reply.begin() + 28);
  std::copy(request.begin() + 22, request.begin() + 32, reply.begin() + 32);
  return reply;
}

/// Neighbour advertisement: type 136, flags solicited and override, the target, the option of the link address.
std::vector<uint8_t> advertisement(const std::vector<uint8_t>& f, const wire::Mac& mac) {
  std::vector<uint8_t> na = {136, 0, 0, 0, 0x60, 0, 0, 0};
  na.insert(na.end(), f.begin() + 62, f.begin() + 78);
  na.insert(na.end(), {2, 1});
  na.insert(na.end(), mac.bytes.begin(), mac.bytes.end());
  std::vector<uint8_t> packet = {0x60, 0, 0, 0, 0, 32, 58, 255};
  packet.insert(packet.end(), f.begin() + 62, f.begin() + 78);
  packet.insert(packet.end(), f.begin() + 22, f.begin() + 38);
  uint32_t sum = 32 + 58;
  for (size_t i = 8; i < 40; i += 2) sum += static_cast<uint32_t>(packet[i] << 8 | packet[i + 1]);
  for (size_t i = 0; i < na.size(); i += 2) sum += static_cast<uint32_t>(na[i] << 8 | na[i + 1]);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  na[2] = static_cast<uint8_t>(~sum >> 8);
  na[3] = static_cast<uint8_t>(~sum);
  std::vector<uint8_t> reply(f.begin() + 6, f.begin() + 12);
  reply.insert(reply.end(), mac.bytes.begin(), mac.bytes.end());
  reply.insert(reply.end(), {0x86, 0xdd});
  reply.insert(reply.end(), packet.begin(), packet.end());
  reply.insert(reply.end(), na.begin(), na.end());
  return reply;
}

}  // namespace

std::string Plan::text(uint64_t generation, bool whole) const {
  std::string text = "{\"generation\":" + std::to_string(generation) +
                     ",\"base\":" + (whole ? "null" : std::to_string(generation - 1)) + ",\"ports\":[";
  std::string connected;
  for (unsigned i = 0; i < ports; ++i) {
    const std::string id = std::to_string(i);
    if (joined && i < 2) {
      text += std::string(i == 0 ? "" : ",") + "{\"id\":" + id + ",\"name\":\"" + static_cast<char>('a' + i) +
              "\",\"own\":[],\"peer\":" + std::to_string(1 - i) + ",\"config\":{\"type\":\"memory\"}}";
      continue;
    }
    const std::string n = std::to_string(first_subnet + i);
    const std::string h = std::to_string(host);
    text += std::string(i == 0 ? "" : ",") + "{\"id\":" + id + ",\"name\":\"" + static_cast<char>('a' + i) +
            "\",\"own\":[\"10.0." + n + "." + h + "/24\",\"fd00:0:0:" + n + "::" + h +
            "/64\"],\"config\":{\"type\":\"memory\"}}";
    connected += std::string(connected.empty() ? "" : ",") + "{\"to\":\"10.0." + n + ".0/24\",\"port\":" + id +
                 "},{\"to\":\"fd00:0:0:" + n + "::/64\",\"port\":" + id + "}";
  }
  if (node) text += ",{\"id\":" + std::to_string(ports) + R"(,"name":"host","own":[],"config":{"type":"host"}})";
  if (routes.size() > 2) connected += (connected.empty() ? "" : ",") + routes.substr(1, routes.size() - 2);
  text += "],\"routes\":[" + connected + "],\"workloads\":" + workloads + ",\"services\":{\"set\":" + services +
          ",\"removed\":[]},\"listeners\":" + listeners + ",\"httpRoutes\":" + http_routes +
          ",\"policies\":" + policies + ",\"accessLog\":null,\"flows\":{";
  std::string settings = flows;
  if (settings.find("midstream") == std::string::npos) settings += "\"midstream\":\"adopt\",";
  if (settings.find("track") == std::string::npos) settings += "\"track\":\"all\",";
  return text + "\"capacity\":" + std::to_string(capacity) + "," + settings + kTimeouts + "}}";
}

std::string service_json(const std::vector<std::string>& endpoints, const std::string& address,
                         const std::string& protocol) {
  std::string text =
      "{\"id\":0,\"name\":\"shop\",\"protocol\":\"" + protocol + "\",\"addresses\":[\"" + address +
      "\"],\"port\":80,\"balance\":\"maglev\",\"affinity\":\"none\",\"healthCheck\":null,\"maxConnections\":0,"
      "\"proxyProtocol\":\"none\",\"http\":" +
      kPool + ",\"endpoints\":[";
  for (size_t i = 0; i < endpoints.size(); ++i) {
    text += std::string(i == 0 ? "" : ",") + "{\"id\":" + std::to_string(i) + ",\"address\":\"" + endpoints[i] +
            "\",\"port\":8080,\"weight\":1,\"drain\":false,\"name\":\"e" + std::to_string(i) + "\"}";
  }
  return "[" + text + "]}]";
}

std::string listener_json(const std::string& address, uint16_t port, const std::string& relay) {
  std::string settings = relay;
  for (const auto& [name, value] : {std::pair{"connectTimeout", "5000"}, std::pair{"idleTimeout", "3600000"},
                                    std::pair{"maxConnections", "0"}, std::pair{"maxConnectionsPerClient", "0"}}) {
    const std::string member = "\"" + std::string(name) + "\":";
    if (relay.find(member) == std::string::npos) settings += member + value + ",";
  }
  settings.pop_back();
  return R"([{"id":0,"name":"door","addresses":[")" + address + R"("],"port":)" + std::to_string(port) +
         R"(,"on":null,"protocol":"tcp","http":null,"backends":[{"service":0,"weight":1}],"relay":{)" + settings +
         R"(},"trusted":null}])";
}

std::string intercept_json(const std::string& within, uint16_t port, const std::string& service,
                           const std::string& relay) {
  std::string text = listener_json("10.8.8.8", port, relay);
  const auto replace = [&text](const std::string& a, const std::string& b) { text.replace(text.find(a), a.size(), b); };
  replace("\"addresses\":[\"10.8.8.8\"]", "\"addresses\":[],\"within\":[\"" + within + "\"]");
  replace("\"service\":0", "\"service\":" + service);
  return text;
}

Segment* neighbor_answer(const Segment* frame, const wire::Mac& mac, Buffers& buffers) {
  const std::vector<uint8_t> f = content(frame);
  if (f.size() >= 42 && f[12] == 8 && f[13] == 6 && f[21] == 1) return frame_of(arp_reply(f, mac), buffers);
  const bool solicits = f.size() >= 78 && f[12] == 0x86 && f[20] == 58 && f[54] == 135;
  return solicits ? frame_of(advertisement(f, mac), buffers) : nullptr;
}

}  // namespace flatproxy::test
