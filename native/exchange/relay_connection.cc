#include "exchange/relay_connection.h"

namespace flatproxy {

wire::ProxyParse take_proxy_header(tls::Streams& streams, tcp::Connection& c, wire::ProxyHeader& ends) {
  uint8_t bytes[wire::kProxyV2MaxSize];
  const uint32_t n = c.received.peek(bytes, sizeof(bytes));
  wire::ProxyHeader header;
  uint32_t size = 0;
  const wire::ProxyParse parsed = wire::parse_proxy_header({bytes, n}, header, size);
  if (parsed == wire::ProxyParse::incomplete && c.peer_closed()) return wire::ProxyParse::invalid;
  if (parsed != wire::ProxyParse::complete) return parsed;
  c.received.drop_front(size);
  streams.taken(c);
  if (!header.local) ends = header;
  return parsed;
}

bool send_proxy_header(tls::Streams& streams, tcp::Connection& c, const wire::ProxyHeader& ends, uint8_t version) {
  uint8_t header[wire::kProxyV1MaxSize];
  const uint32_t size = version == 1 ? wire::emit_proxy_v1(ends, header) : wire::emit_proxy_v2(ends, header);
  return streams.send(c, header, size) == size;
}

}  // namespace flatproxy
