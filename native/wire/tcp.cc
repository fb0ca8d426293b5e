#include "wire/tcp.h"

namespace flatproxy::wire {

std::optional<Tcp> Tcp::parse(Bytes bytes) {
  if (bytes.size() < kTcpSize) return std::nullopt;
  const TcpView view{bytes.data()};
  if (view.header_length() < kTcpSize || view.header_length() > bytes.size()) return std::nullopt;
  const std::optional<TcpOptions> options = TcpOptions::parse(view.options());
  if (!options) return std::nullopt;
  return Tcp{
      view.source_port(), view.destination_port(), view.sequence(), view.acknowledgment(), view.flags(), view.window(),
      view.checksum(),    view.urgent(),           *options};
}

void Tcp::emit(MutableBytes out) const {
  uint8_t* p = out.data();
  store16(p, source_port);
  store16(p + 2, destination_port);
  store32(p + 4, sequence);
  store32(p + 8, acknowledgment);
  p[12] = static_cast<uint8_t>(size() / 4 << 4);
  p[13] = flags;
  store16(p + 14, window);
  store16(p + 16, checksum);
  store16(p + 18, urgent);
  options.emit(out.subspan(kTcpSize));
}

}  // namespace flatproxy::wire
