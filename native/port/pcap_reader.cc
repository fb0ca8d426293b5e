#include "port/pcap_reader.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

namespace flatproxy {
namespace {

constexpr uint32_t kMicroseconds = 0xa1b2c3d4;
constexpr uint32_t kNanoseconds = 0xa1b23c4d;
constexpr uint32_t kSection = 0x0a0d0d0a;
constexpr uint32_t kByteOrder = 0x1a2b3c4d;
constexpr uint32_t kInterface = 1;
constexpr uint32_t kSimple = 3;
constexpr uint32_t kEnhanced = 6;
constexpr uint32_t kEthernet = 1;
constexpr uint32_t kPcapHeader = 24;
constexpr uint32_t kPcapRecord = 16;
constexpr uint32_t kEnhancedHeader = 28;
constexpr uint32_t kSimpleHeader = 12;
constexpr uint32_t kTrailer = 4;
constexpr uint32_t kMaxInterfaceBlock = 65'536;
constexpr uint64_t kSecond = 1'000'000'000;
// The largest packet, its block's header, and options behind it are skipped without being held.
constexpr size_t kBuffer = CaptureReader::kMaxPacket + 65'536;

Nanoseconds to_nanoseconds(uint64_t units, bool binary, uint8_t exponent, int64_t offset) {
  __extension__ using Wide = __int128;
  Wide divisor = 1;
  for (uint8_t i = 0; i < exponent; ++i) divisor *= binary ? 2 : 10;
  const Wide time = static_cast<Wide>(units) * static_cast<Wide>(kSecond) / divisor +
                    static_cast<Wide>(offset) * static_cast<Wide>(kSecond);
  return static_cast<Nanoseconds>(std::clamp<Wide>(time, 0, static_cast<Wide>(kNever - 1)));
}

}  // namespace

CaptureReader::CaptureReader(Source source) : source_(std::move(source)), buffer_(kBuffer) {}

CaptureReader::Result CaptureReader::next(CapturedPacket& packet) {
  if (!failure_.empty()) return Result::broken;
  skip(std::exchange(consume_, 0));
  if (format_ == Format::unknown) {
    const Result result = start();
    if (result != Result::packet) return result;
  }
  if (format_ == Format::pcap) return next_pcap(packet);
  for (bool is_packet = false;;) {
    const Result result = next_block(packet, is_packet);
    if (result != Result::packet || is_packet) return result;
  }
}

// Makes n (at most kBuffer) bytes available at here(); false: the file ends before.
bool CaptureReader::fill(size_t n) {
  if (available() >= n) return true;
  std::memmove(buffer_.data(), here(), available());
  end_ -= begin_;
  begin_ = 0;
  while (end_ < n && !eof_) {
    const long got = source_(buffer_.data() + end_, buffer_.size() - end_);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) failure_ = std::string("can't be read: ") + std::strerror(errno);
    eof_ = got <= 0;
    if (got > 0) end_ += static_cast<size_t>(got);
  }
  return end_ >= n;
}

void CaptureReader::skip(uint64_t n) {
  while (n > 0 && fill(1)) {
    const uint64_t step = std::min<uint64_t>(n, available());
    begin_ += step;
    offset_ += step;
    n -= step;
  }
}

CaptureReader::Result CaptureReader::broken(const std::string& what) {
  if (failure_.empty()) failure_ = what + " at offset " + std::to_string(offset_);
  return Result::broken;
}

// The file ends here: cleanly, or within something.
CaptureReader::Result CaptureReader::ended(const std::string& what) {
  if (!failure_.empty()) return Result::broken;
  return available() == 0 ? Result::end : broken("the file ends within " + what);
}

uint16_t CaptureReader::u16(const uint8_t* p) const {
  uint16_t word;
  std::memcpy(&word, p, 2);
  return swapped_ ? __builtin_bswap16(word) : word;
}

uint32_t CaptureReader::u32(const uint8_t* p) const {
  uint32_t word;
  std::memcpy(&word, p, 4);
  return swapped_ ? __builtin_bswap32(word) : word;
}

CaptureReader::Result CaptureReader::start() {
  if (!fill(4)) return failure_.empty() ? broken("no capture: the file is too short") : Result::broken;
  const uint32_t magic = u32(here());
  if (magic == kSection) {
    format_ = Format::pcapng;
    return Result::packet;
  }
  swapped_ = magic == __builtin_bswap32(kMicroseconds) || magic == __builtin_bswap32(kNanoseconds);
  return start_pcap(u32(here()));
}

CaptureReader::Result CaptureReader::start_pcap(uint32_t magic) {
  if (magic != kMicroseconds && magic != kNanoseconds) return broken("no capture: neither pcap nor pcapng");
  if (!fill(kPcapHeader)) return ended("the file header");
  // The upper bits of the link type say how long the frame check sequence is.
  const uint32_t link_type = u32(here() + 20) & 0x0fff'ffff;
  if (u16(here() + 4) != 2) return broken("a version of pcap that is not known");
  if (link_type != kEthernet) return broken("link type " + std::to_string(link_type) + " is not Ethernet");
  nanoseconds_ = magic == kNanoseconds;
  format_ = Format::pcap;
  skip(kPcapHeader);
  return Result::packet;
}

CaptureReader::Result CaptureReader::next_pcap(CapturedPacket& packet) {
  if (!fill(kPcapRecord)) return ended("a packet header");
  const uint64_t seconds = u32(here());
  const uint64_t fraction = u32(here() + 4);
  const uint32_t length = u32(here() + 8);
  const uint32_t original = u32(here() + 12);
  if (length > kMaxPacket) return broken("a packet of " + std::to_string(length) + " bytes");
  if (!fill(kPcapRecord + length)) return ended("a packet");
  packet = {seconds * kSecond + fraction * (nanoseconds_ ? 1 : 1000), here() + kPcapRecord, length,
            std::max(original, length)};
  consume_ = kPcapRecord + length;
  return Result::packet;
}

// Result::packet without is_packet: a block that is none was passed.
CaptureReader::Result CaptureReader::next_block(CapturedPacket& packet, bool& is_packet) {
  if (!fill(12)) return ended("a block");
  const uint32_t type = u32(here());
  if (type == kSection) return section();
  const uint32_t length = u32(here() + 4);
  if (length < 12 || length % 4 != 0) return broken("a block of " + std::to_string(length) + " bytes");
  if (type == kInterface) return interface_block(length);
  is_packet = type == kEnhanced || type == kSimple;
  if (type == kEnhanced) return enhanced(packet, length);
  if (type == kSimple) return simple(packet, length);
  skip(length - kTrailer);
  return check_trailer(length);
}

CaptureReader::Result CaptureReader::check_trailer(uint32_t length) {
  if (!fill(kTrailer)) return available() == 0 ? broken("the file ends within a block") : ended("a block");
  if (u32(here()) != length) return broken("a block whose two lengths differ");
  skip(kTrailer);
  return Result::packet;
}

CaptureReader::Result CaptureReader::section() {
  if (!fill(28)) return ended("a section header");
  uint32_t order;
  std::memcpy(&order, here() + 8, 4);
  if (order != kByteOrder && order != __builtin_bswap32(kByteOrder)) return broken("a section without a byte order");
  swapped_ = order != kByteOrder;
  const uint32_t length = u32(here() + 4);
  if (length < 28 || length % 4 != 0) return broken("a section header of " + std::to_string(length) + " bytes");
  if (u16(here() + 12) != 1) return broken("a version of pcapng that is not known");
  interfaces_.clear();
  skip(length - kTrailer);
  return check_trailer(length);
}

CaptureReader::Result CaptureReader::interface_block(uint32_t length) {
  if (length < 20 || length > kMaxInterfaceBlock) return broken("an interface of " + std::to_string(length) + " bytes");
  if (interfaces_.size() == kMaxInterfaces) return broken("more than 1024 interfaces");
  if (!fill(length)) return ended("an interface");
  Interface entry{u16(here() + 8) == kEthernet, false, 6, 0, u32(here() + 12)};
  const Result result = read_options(entry, length);
  if (result != Result::packet) return result;
  interfaces_.push_back(entry);
  skip(length - kTrailer);
  return check_trailer(length);
}

CaptureReader::Result CaptureReader::read_options(Interface& to, uint32_t length) {
  constexpr uint16_t kEnd = 0;
  constexpr uint16_t kResolution = 9;
  constexpr uint16_t kOffset = 14;
  for (uint32_t at = 16; at + 4 <= length - kTrailer;) {
    const uint16_t code = u16(here() + at);
    const uint16_t size = u16(here() + at + 2);
    const uint8_t* value = here() + at + 4;
    if (code == kEnd) break;
    if (at + 4 + size > length - kTrailer) return broken("an option that leaves its block");
    if (code == kResolution && size == 1) {
      to.binary = (value[0] & 0x80) != 0;
      to.exponent = value[0] & 0x7f;
      if (to.exponent > (to.binary ? 63 : 19)) return broken("a time resolution that is not supported");
    } else if (code == kOffset && size == 8) {
      const uint64_t low = u32(value + (swapped_ ? 4 : 0));
      const uint64_t high = u32(value + (swapped_ ? 0 : 4));
      to.offset = static_cast<int64_t>(high << 32 | low);
    }
    at += 4 + (size + 3u) / 4 * 4;
  }
  return Result::packet;
}

CaptureReader::Result CaptureReader::enhanced(CapturedPacket& packet, uint32_t length) {
  if (length < kEnhancedHeader + kTrailer) return broken("a packet block of " + std::to_string(length) + " bytes");
  if (!fill(kEnhancedHeader)) return ended("a packet block");
  const uint32_t id = u32(here() + 8);
  const uint64_t time = uint64_t{u32(here() + 12)} << 32 | u32(here() + 16);
  const uint32_t captured = u32(here() + 20);
  const uint32_t original = u32(here() + 24);
  if (id >= interfaces_.size()) return broken("a packet of interface " + std::to_string(id) + ", which is not there");
  const Interface& from = interfaces_[id];
  if (!from.ethernet) return broken("a packet of an interface that is not Ethernet");
  if (captured > kMaxPacket || captured > length - kEnhancedHeader - kTrailer) {
    return broken("a packet of " + std::to_string(captured) + " bytes");
  }
  if (!fill(kEnhancedHeader + captured)) return ended("a packet");
  last_time_ = to_nanoseconds(time, from.binary, from.exponent, from.offset);
  packet = {last_time_, here() + kEnhancedHeader, captured, std::max(original, captured)};
  consume_ = length;
  return Result::packet;
}

CaptureReader::Result CaptureReader::simple(CapturedPacket& packet, uint32_t length) {
  if (length < kSimpleHeader + kTrailer) return broken("a packet block of " + std::to_string(length) + " bytes");
  if (interfaces_.empty() || !interfaces_[0].ethernet) return broken("a packet of an interface that is not Ethernet");
  const uint32_t original = u32(here() + 8);
  const uint32_t snap = interfaces_[0].snap_length == 0 ? kMaxPacket : interfaces_[0].snap_length;
  const uint32_t captured = std::min({original, snap, length - kSimpleHeader - kTrailer});
  if (captured > kMaxPacket) return broken("a packet of " + std::to_string(captured) + " bytes");
  if (!fill(kSimpleHeader + captured)) return ended("a packet");
  packet = {last_time_, here() + kSimpleHeader, captured, original};
  consume_ = length;
  return Result::packet;
}

}  // namespace flatproxy
