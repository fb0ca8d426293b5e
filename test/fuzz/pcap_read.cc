// Captures are files of strangers: reading one ends, stays in its memory, and gives packets within their bounds.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "port/pcap_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace flatproxy;
  size_t at = 0;
  // Pieces of odd sizes: a packet lies across reads.
  CaptureReader reader([&](uint8_t* to, size_t n) {
    const size_t take = std::min({n, size - at, size_t{61}});
    std::memcpy(to, data + at, take);
    at += take;
    return static_cast<long>(take);
  });
  CapturedPacket packet;
  volatile uint8_t sum = 0;
  for (size_t packets = 0; reader.next(packet) == CaptureReader::Result::packet; ++packets) {
    if (packet.length > CaptureReader::kMaxPacket || packet.length > packet.original || packets > size) std::abort();
    for (uint32_t i = 0; i < packet.length; ++i) sum = static_cast<uint8_t>(sum + packet.data[i]);
  }
  return 0;
}
