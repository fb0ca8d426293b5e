#include "port/pcapng.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace flatproxy {
namespace {

// Blocks are written in the machine's byte order, which the section header tells; all of ours are alike.
static_assert(std::endian::native == std::endian::little);

enum Block : uint32_t { kSection = 0x0a0d0d0a, kInterface = 1, kStatistics = 5, kEnhancedPacket = 6 };
enum Option : uint16_t {
  kComment = 1,
  kSectionApplication = 4,
  kInterfaceName = 2,
  kInterfaceResolution = 9,
  kPacketFlags = 2,
  kStatisticsBegin = 2,
  kStatisticsEnd = 3,
  kStatisticsReceived = 4,
  kStatisticsDropped = 5,
  kStatisticsAccepted = 6
};
constexpr uint16_t kEthernet = 1;
constexpr uint8_t kNanoseconds = 9;  // 10^-9
constexpr size_t kLongestOption = 65535 - 3;

}  // namespace

void PcapngBlocks::put16(uint16_t value) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(&value);
  to_.insert(to_.end(), bytes, bytes + 2);
}

void PcapngBlocks::put32(uint32_t value) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(&value);
  to_.insert(to_.end(), bytes, bytes + 4);
}

void PcapngBlocks::put_time(Nanoseconds time) {
  put32(static_cast<uint32_t>(time >> 32));
  put32(static_cast<uint32_t>(time));
}

void PcapngBlocks::put_padding() {
  // Blocks begin at multiples of four of the capture, not of this buffer, which may be a part of it: both are the same
  // as long as only whole blocks are taken out.
  to_.resize((to_.size() + 3) / 4 * 4);
}

/// Returns where the block begins.
size_t PcapngBlocks::begin(uint32_t type) {
  const size_t block = to_.size();
  put32(type);
  put32(0);  // its length
  return block;
}

void PcapngBlocks::end(size_t block) {
  const auto length = static_cast<uint32_t>(to_.size() - block + 4);
  put32(length);
  std::memcpy(to_.data() + block + 4, &length, 4);
}

void PcapngBlocks::option(uint16_t code, const void* value, size_t length) {
  put16(code);
  put16(static_cast<uint16_t>(length));
  const auto* bytes = static_cast<const uint8_t*>(value);
  to_.insert(to_.end(), bytes, bytes + length);
  put_padding();
}

void PcapngBlocks::option_time(uint16_t code, Nanoseconds time) { option64(code, std::rotl(uint64_t{time}, 32)); }

void PcapngBlocks::section(std::string_view application) {
  const size_t block = begin(kSection);
  put32(0x1a2b3c4d);
  put16(1);  // version 1.0
  put16(0);
  put32(0xffffffff);  // the section's length is not known
  put32(0xffffffff);
  if (!application.empty()) {
    option(kSectionApplication, application.data(), application.size());
    end_of_options();
  }
  end(block);
}

void PcapngBlocks::interface(uint32_t snap_length, std::string_view name) {
  const size_t block = begin(kInterface);
  put16(kEthernet);
  put16(0);
  put32(snap_length);
  if (!name.empty()) option(kInterfaceName, name.data(), name.size());
  option(kInterfaceResolution, &kNanoseconds, 1);
  end_of_options();
  end(block);
}

uint8_t* PcapngBlocks::packet(const Packet& packet) {
  const size_t block = begin(kEnhancedPacket);
  put32(packet.interface);
  put_time(packet.time);
  put32(packet.captured);
  put32(packet.original);
  const size_t bytes = to_.size();
  to_.resize(bytes + packet.captured);
  put_padding();
  const bool has_direction = packet.direction != Direction::unknown;
  if (has_direction) option(kPacketFlags, &packet.direction, 4);
  if (!packet.comment.empty()) option(kComment, packet.comment.data(), std::min(packet.comment.size(), kLongestOption));
  if (has_direction || !packet.comment.empty()) end_of_options();
  end(block);
  return to_.data() + bytes;
}

void PcapngBlocks::statistics(const Statistics& statistics) {
  const size_t block = begin(kStatistics);
  put32(statistics.interface);
  put_time(statistics.end);
  option_time(kStatisticsBegin, statistics.begin);
  option_time(kStatisticsEnd, statistics.end);
  option64(kStatisticsReceived, statistics.received);
  option64(kStatisticsDropped, statistics.dropped);
  option64(kStatisticsAccepted, statistics.accepted);
  end_of_options();
  end(block);
}

}  // namespace flatproxy
