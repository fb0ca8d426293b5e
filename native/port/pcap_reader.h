#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "packet/segment.h"

namespace flatproxy {

/// One packet of a capture. `data` is valid until the next call of CaptureReader::next().
struct CapturedPacket {
  Nanoseconds timestamp = 0;  ///< since 1970; of a packet without one: its predecessor's
  const uint8_t* data = nullptr;
  uint32_t length = 0;    ///< bytes that were captured
  uint32_t original = 0;  ///< bytes that the packet had; more than `length`: it was cut short
};

/// Reads Ethernet captures as a stream: pcap (micro- and nanoseconds, both byte orders) and pcapng (both byte orders,
/// sections, interfaces with their time resolution, enhanced and simple packets; other blocks are skipped).
/// Formats: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng. Memory is bounded whatever the file says.
class CaptureReader {
 public:
  /// The largest packet, as in libpcap; a file with a larger one is broken.
  static constexpr uint32_t kMaxPacket = 262'144;
  static constexpr size_t kMaxInterfaces = 1024;

  enum class Result : uint8_t { packet, end, broken };

  /// Reads up to n bytes; 0 is the end, negative a failure (errno).
  using Source = std::function<long(uint8_t* to, size_t n)>;

  explicit CaptureReader(Source source);

  Result next(CapturedPacket& packet);

  /// What is wrong, with the offset in the file; after Result::broken.
  const std::string& failure() const { return failure_; }
  /// Where in the file the last packet's record begins.
  uint64_t offset() const { return offset_; }

 private:
  struct Interface {
    bool ethernet;
    bool binary;  // units are 2^-exponent, else 10^-exponent seconds
    uint8_t exponent;
    int64_t offset;        // seconds
    uint32_t snap_length;  // 0: none
  };
  enum class Format : uint8_t { unknown, pcap, pcapng };

  bool fill(size_t n);
  void skip(uint64_t n);
  Result broken(const std::string& what);
  Result ended(const std::string& what);
  const uint8_t* here() const { return buffer_.data() + begin_; }
  size_t available() const { return end_ - begin_; }
  uint16_t u16(const uint8_t* p) const;
  uint32_t u32(const uint8_t* p) const;

  Result start();
  Result start_pcap(uint32_t magic);
  Result next_pcap(CapturedPacket& packet);
  Result next_block(CapturedPacket& packet, bool& is_packet);
  Result section();
  Result interface_block(uint32_t length);
  Result read_options(Interface& to, uint32_t length);
  Result enhanced(CapturedPacket& packet, uint32_t length);
  Result simple(CapturedPacket& packet, uint32_t length);
  Result check_trailer(uint32_t length);

  Source source_;
  std::vector<uint8_t> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t consume_ = 0;   // bytes of the packet that was given out
  uint64_t offset_ = 0;  // in the file, of buffer_[begin_]
  bool eof_ = false;
  Format format_ = Format::unknown;
  bool swapped_ = false;
  bool nanoseconds_ = false;
  std::vector<Interface> interfaces_;
  Nanoseconds last_time_ = 0;
  std::string failure_;
};

}  // namespace flatproxy
