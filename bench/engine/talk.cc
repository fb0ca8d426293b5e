#include "talk.h"

namespace flatproxy::bench {
namespace {

/// So many that source ports, which rest for a second, are not what limits.
constexpr unsigned kEndpoints = 4 * kServers;
constexpr uint16_t kFirstPort = 8080;
constexpr uint8_t kLaneWindowShift = 8;  // tcp::Settings::window_shift

std::string service() {
  std::string text = R"([{"id":0,"name":"shop","protocol":"tcp","addresses":[],"port":80,"balance":"roundRobin",
    "affinity":"none","healthCheck":null,"maxConnections":0,"proxyProtocol":"none",
    "http":{"maxPending":1024,"idleTimeout":60000,"maxRequests":0,"affinityCookie":null,"hash":null,
    "eject":{"failures":5,"for":30000}},"endpoints":[)";
  for (unsigned i = 0; i < kEndpoints; ++i) {
    text += std::string(i == 0 ? "" : ",") + R"({"id":)" + std::to_string(i) + R"(,"address":"198.51.100.)" +
            std::to_string(16 + i % kServers) + R"(","port":)" + std::to_string(kFirstPort + i / kServers) +
            R"(,"weight":1,"drain":false,"name":"s)" + std::to_string(i) + "\"}";
  }
  return text + "]}]";
}

std::string listener(Talk::Protocol protocol) {
  const bool http = protocol == Talk::Protocol::http;
  std::string text = R"([{"id":0,"name":"door","addresses":["203.0.113.2"],"port":81,"on":null,"trusted":null,
    "relay":{"connectTimeout":5000,"idleTimeout":3600000,"maxConnections":0,"maxConnectionsPerClient":0},)";
  text += http ? R"("protocol":"http","backends":[],"http":{"maxHeaderBytes":16384,"maxHeaders":100,"maxUriBytes":8192,
    "maxRequests":0,"headerTimeout":10000,"bodyTimeout":60000,"idleTimeout":3600000,"tunnelTimeout":3600000,"via":null,
    "forwarded":"none","trustedForwarded":[],"dotSegments":"normalize","encodedSlashes":"keep","doubleSlashes":"keep","trace":"pass"}}])"
               : R"("protocol":"tcp","backends":[{"service":0,"weight":1}],"http":null}])";
  return text;
}

constexpr const char* kRoutes =
    R"([{"id":0,"name":"shop","listeners":[{"id":0,"hostname":null}],"hostnames":["shop.example"],
  "rules":[{"matches":[{"path":{"type":"PathPrefix","value":"/"},"method":null,"headers":[],"queryParams":[]}],
  "filters":[],"backends":[{"service":0,"weight":1,"filters":[]}],"timeouts":{"request":0,"backendRequest":0},
  "retry":null}]}])";

constexpr std::string_view kResponse =
    "HTTP/1.1 200 OK\r\n"
    "Server: nginx/1.22.1\r\n"
    "Date: Sat, 28 Nov 2026 14:00:00 GMT\r\n"
    "Content-Type: text/plain\r\n"
    "Content-Length: 6\r\n"
    "Connection: keep-alive\r\n"
    "\r\n"
    "small\n";

constexpr uint32_t kPorts = 60'000;  // of one client

}  // namespace

Talk::Talk(Protocol protocol, uint32_t connections)
    : protocol_(protocol),
      rig_({service(), listener(protocol), protocol == Protocol::http ? kRoutes : "[]"}, {1024, connections}, false),
      server_next_(kEndpoints << 16) {}

void Talk::say_from(bool left, const TcpWords& words) {
  const auto clock = static_cast<uint32_t>(rig_.now() / 1'000'000);
  Segment* frame = say(words, left, clock, rig_.buffers());
  if (frame == nullptr) fail(rig_, "frames that found a buffer", 1, 0);
  said_[left].push_back(frame);
}

void Talk::inject() {
  for (const bool left : {false, true}) {
    const auto said = static_cast<uint32_t>(said_[left].size());
    const uint32_t taken = (left ? rig_.left() : rig_.right()).inject_burst(0, said_[left].data(), said);
    if (taken < said) fail(rig_, "frames that found room", said, taken);
    said_[left].clear();
  }
}

TcpWords Talk::syn(uint32_t number) const {
  TcpWords words{kFirstClient + 1 + number / kPorts, kListenerAddress, static_cast<uint16_t>(1024 + number % kPorts),
                 kListenerPort};
  words.sequence = number * 7919;
  words.flags = wire::kSyn;
  return words;
}

void Talk::serve(const TcpWords& in, bool echoes) { answer(in, echoes ? in.payload : 0, nullptr); }

void Talk::serve_http(const TcpWords& in) {
  answer(in, in.payload > 0 ? static_cast<uint32_t>(kResponse.size()) : 0, kResponse.data());
}

void Talk::answer(const TcpWords& in, uint32_t payload, const char* content) {
  if (in.has(wire::kRst)) return;
  if (in.length() == 0) return;
  const uint32_t endpoint = (in.destination_port - kFirstPort) * kServers + in.destination % kServers;
  uint32_t& next = server_next_[endpoint << 16 | in.source_port];
  if (in.has(wire::kSyn)) next = 1000;
  TcpWords out = in.answer(in.flags & (wire::kSyn | wire::kFin), payload);
  out.content = content;
  out.sequence = next;
  next += out.length();
  say_from(false, out);
}

Streams::Streams(Talk& talk, uint32_t connections, std::string_view head) : talk_(talk) {
  open(talk, connections, [&](const TcpWords& in) { streams_[in.destination_port] = {in, in.acknowledgment}; });
  for (auto& [port, stream] : streams_) {
    stream.last.sequence += 1;
    stream.last.flags = wire::kAck;
    stream.last.window = 255;
    if (head.empty()) continue;
    TcpWords out = stream.last.answer(wire::kPsh, static_cast<uint32_t>(head.size()));
    out.content = head.data();
    stream.next += out.payload;
    talk.say_from(true, out);
  }
}

void Streams::send(uint32_t frames) {
  for (auto& [port, stream] : streams_) {
    const uint32_t edge = stream.last.acknowledgment + (uint32_t{stream.last.window} << kLaneWindowShift);
    for (uint32_t k = 0; k < frames && static_cast<int32_t>(edge - stream.next - kFrame) >= 0; ++k) {
      TcpWords out = stream.last.answer(0, kFrame);
      out.sequence = stream.next;
      stream.next += kFrame;
      talk_.say_from(true, out);
    }
  }
}

void Streams::hear(const TcpWords& in) {
  Stream& stream = streams_[in.destination_port];
  if (static_cast<int32_t>(in.acknowledgment - stream.last.acknowledgment) >= 0) stream.last = in;
}

}  // namespace flatproxy::bench
