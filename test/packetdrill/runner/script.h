#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "wire/tcp.h"

namespace flatproxy::packetdrill {

/// A TCP segment as a script writes it: numbers are relative.
struct ScriptSegment {
  bool outbound = false;
  uint8_t flags = 0;  ///< wire::TcpFlag
  std::optional<uint8_t> ecn;  ///< of the IP header, if it is written
  uint32_t begin = 0;
  uint32_t length = 0;
  uint32_t ack = 0;
  std::optional<uint16_t> window;
  wire::TcpOptions options;
  bool any_options = false;  ///< <...>
};

/// An ICMP error that quotes a segment of ours: it was too big.
struct ScriptTooBig {
  uint16_t mtu = 0;
  uint32_t sequence = 0;
};

struct ScriptCall {
  std::string name;
  std::vector<std::string> arguments;
  int64_t result = 0;
  std::string error;  ///< ENAME, if the result is -1
  bool blocks = false;
};

struct ScriptEvent {
  int line = 0;
  int64_t begin_us = 0;  ///< since the script began
  int64_t end_us = 0;    ///< the latest
  bool any_time = false;
  std::variant<ScriptSegment, ScriptTooBig, ScriptCall> what;
};

/// A script in the language of packetdrill, as far as this project's own scripts use it. Backtick blocks and Python
/// blocks are passed over.
struct Script {
  std::string so_flags;
  bool ipv6 = false;
  int64_t tolerance_us = 4000;
  std::vector<ScriptEvent> events;

  /// Throws std::runtime_error "line N: ..." for what it cannot read.
  static Script parse(const std::string& text);
};

}  // namespace flatproxy::packetdrill
