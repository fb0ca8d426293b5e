#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "packet/segment.h"

namespace flatproxy {

/// Appends the blocks of a pcapng capture of Ethernet frames, whose times are nanoseconds since 1970
/// (draft-ietf-opsawg-pcapng).
class PcapngBlocks {
 public:
  enum class Direction : uint32_t { unknown = 0, inbound = 1, outbound = 2 };  ///< as epb_flags have it
  struct Packet {
    uint32_t interface = 0;
    Nanoseconds time = 0;
    uint32_t captured = 0;  ///< bytes that are there
    uint32_t original = 0;  ///< bytes that there were
    Direction direction = Direction::unknown;
    std::string_view comment{};
  };
  struct Statistics {
    uint32_t interface = 0;
    Nanoseconds begin = 0;
    Nanoseconds end = 0;
    uint64_t received = 0;
    uint64_t accepted = 0;  ///< by the filter
    uint64_t dropped = 0;   ///< of those, for want of room
  };

  explicit PcapngBlocks(std::vector<uint8_t>& to) : to_(to) {}

  /// @param application that writes it; empty: not told
  void section(std::string_view application = {});
  /// The next interface: they count from 0.
  void interface(uint32_t snap_length, std::string_view name = {});
  /// A packet's block. Returns where its bytes are to be written before anything else is appended.
  uint8_t* packet(const Packet& packet);
  void statistics(const Statistics& statistics);

 private:
  size_t begin(uint32_t type);
  void end(size_t block);
  void put16(uint16_t value);
  void put32(uint32_t value);
  void put_time(Nanoseconds time);
  void put_padding();
  void option(uint16_t code, const void* value, size_t length);
  void option64(uint16_t code, uint64_t value) { option(code, &value, sizeof(value)); }
  void option_time(uint16_t code, Nanoseconds time);
  void end_of_options() { put32(0); }

  std::vector<uint8_t>& to_;
};

}  // namespace flatproxy
