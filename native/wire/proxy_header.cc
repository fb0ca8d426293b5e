#include "wire/proxy_header.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>

namespace flatproxy::wire {
namespace {

constexpr uint8_t kSignature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
constexpr uint32_t kV2FixedSize = 16;
constexpr uint8_t kLocalCommand = 0x20, kProxyCommand = 0x21;
constexpr uint8_t kTcp4 = 0x11, kTcp6 = 0x21;
constexpr uint32_t kTcp4Size = 12, kTcp6Size = 36;
constexpr std::string_view kV1Start = "PROXY ";

// The next word, up to a blank or the end; blanks are single.
std::string_view take_word(std::string_view& line) {
  const size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(line.size(), end + 1));
  return word;
}

bool read_port(std::string_view word, uint16_t& port) {
  if (word.empty() || (word.size() > 1 && word[0] == '0')) return false;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), port);
  return error == std::errc() && end == word.data() + word.size();
}

bool read_address(std::string_view word, bool v4, Address& address) {
  const std::optional<Address> read = Address::parse(word);
  if (!read || read->is_v4() != v4) return false;
  address = *read;
  return true;
}

// "TCP4 192.0.2.1 198.51.100.1 56324 443", without what is around it.
ProxyParse parse_v1_line(std::string_view line, ProxyHeader& header) {
  const std::string_view family = take_word(line);
  if (family == "UNKNOWN") {
    header.local = true;  // whatever follows is to be ignored
    return ProxyParse::complete;
  }
  if (family != "TCP4" && family != "TCP6") return ProxyParse::invalid;
  const bool v4 = family == "TCP4";
  const bool good = read_address(take_word(line), v4, header.source) &&
                    read_address(take_word(line), v4, header.destination) &&
                    read_port(take_word(line), header.source_port) && std::count(line.begin(), line.end(), ' ') == 0 &&
                    read_port(line, header.destination_port);
  return good ? ProxyParse::complete : ProxyParse::invalid;
}

ProxyParse parse_v1(std::string_view text, ProxyHeader& header, uint32_t& size) {
  const size_t end = text.substr(0, kProxyV1MaxSize).find("\r\n");
  if (end == std::string_view::npos) {
    return text.size() < kProxyV1MaxSize ? ProxyParse::incomplete : ProxyParse::invalid;
  }
  size = static_cast<uint32_t>(end + 2);
  return parse_v1_line(text.substr(kV1Start.size(), end - kV1Start.size()), header);
}

ProxyParse parse_v2(Bytes bytes, ProxyHeader& header, uint32_t& size) {
  if (bytes.size() < kV2FixedSize) return ProxyParse::incomplete;
  const uint8_t command = bytes[12];
  const uint8_t family = bytes[13];
  const uint32_t length = load16(&bytes[14]);
  if (command != kLocalCommand && command != kProxyCommand) return ProxyParse::invalid;
  size = kV2FixedSize + length;
  if (size > kProxyV2MaxSize) return ProxyParse::invalid;
  if (bytes.size() < size) return ProxyParse::incomplete;
  const uint8_t* p = &bytes[kV2FixedSize];
  if (command == kLocalCommand || (family != kTcp4 && family != kTcp6)) {
    header.local = true;
    return ProxyParse::complete;
  }
  const bool v4 = family == kTcp4;
  if (length < (v4 ? kTcp4Size : kTcp6Size)) return ProxyParse::invalid;
  const uint32_t width = v4 ? 4 : 16;
  header.source = v4 ? Address::from_v4(p) : Address::from_v6(p);
  header.destination = v4 ? Address::from_v4(p + width) : Address::from_v6(p + width);
  header.source_port = load16(p + 2 * width);
  header.destination_port = load16(p + 2 * width + 2);
  return ProxyParse::complete;
}

}  // namespace

ProxyParse parse_proxy_header(Bytes bytes, ProxyHeader& header, uint32_t& size) {
  header = {};
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::string_view signature(reinterpret_cast<const char*>(kSignature), sizeof(kSignature));
  const auto starts_like = [&](std::string_view with) {
    const size_t n = std::min(with.size(), text.size());
    return text.substr(0, n) == with.substr(0, n);
  };
  if (starts_like(signature)) return parse_v2(bytes, header, size);
  if (!starts_like(kV1Start)) return ProxyParse::invalid;
  return text.size() < kV1Start.size() ? ProxyParse::incomplete : parse_v1(text, header, size);
}

uint32_t emit_proxy_v1(const ProxyHeader& header, MutableBytes out) {
  std::string line = "PROXY UNKNOWN\r\n";
  if (!header.local) {
    line = std::string(header.source.is_v4() ? "PROXY TCP4 " : "PROXY TCP6 ") + header.source.to_string() + " " +
           header.destination.to_string() + " " + std::to_string(header.source_port) + " " +
           std::to_string(header.destination_port) + "\r\n";
  }
  std::copy(line.begin(), line.end(), out.begin());
  return static_cast<uint32_t>(line.size());
}

uint32_t emit_proxy_v2(const ProxyHeader& header, MutableBytes out) {
  std::copy(std::begin(kSignature), std::end(kSignature), out.begin());
  out[12] = header.local ? kLocalCommand : kProxyCommand;
  if (header.local) {
    out[13] = 0;
    store16(&out[14], 0);
    return kV2FixedSize;
  }
  const bool v4 = header.source.is_v4();
  const uint32_t width = v4 ? 4 : 16;
  out[13] = v4 ? kTcp4 : kTcp6;
  store16(&out[14], static_cast<uint16_t>(v4 ? kTcp4Size : kTcp6Size));
  uint8_t* p = &out[kV2FixedSize];
  std::memcpy(p, v4 ? header.source.v4_bytes() : header.source.bytes.data(), width);
  std::memcpy(p + width, v4 ? header.destination.v4_bytes() : header.destination.bytes.data(), width);
  store16(p + 2 * width, header.source_port);
  store16(p + 2 * width + 2, header.destination_port);
  return kV2FixedSize + (v4 ? kTcp4Size : kTcp6Size);
}

}  // namespace flatproxy::wire
