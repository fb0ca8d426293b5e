#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace flatproxy::test {

/// A block of a pcapng capture, as far as flatproxy writes it; what a block has not stays as it is here.
struct PcapngBlock {
  uint32_t type = 0;
  uint32_t interface = 0;
  uint64_t time = 0;
  uint32_t captured = 0;
  uint32_t original = 0;
  uint32_t snap_length = 0;
  std::vector<uint8_t> bytes;
  std::string name;  ///< of the interface, or of the application
  std::string comment;
  uint32_t direction = 0;
  uint8_t resolution = 6;
  uint64_t begin = 0, end = 0, received = 0, dropped = 0, accepted = 0;
};

constexpr uint32_t kSectionBlock = 0x0a0d0d0a, kInterfaceBlock = 1, kStatisticsBlock = 5, kPacketBlock = 6;

/// Reads blocks; fails the test for lengths, paddings or ends that are not as they must be.
std::vector<PcapngBlock> read_pcapng(const std::vector<uint8_t>& bytes);

}  // namespace flatproxy::test
