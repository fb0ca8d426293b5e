#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace flatproxy {

/// A filter in tcpdump's language (pcap-filter(7)) over Ethernet frames, compiled and run by libpcap. That library is
/// loaded when the first filter is made; it is not linked. Immutable: any threads may use one.
class PacketFilter {
 public:
  /// What libpcap is called, the first that is there.
  static constexpr const char* kLibraries[] = {"libpcap.so.0.8", "libpcap.so.1"};

  /// Names of hosts are resolved, which may take seconds.
  /// @throws Error ERR_FLATPROXY_ARGUMENT for what is no filter, in libpcap's words, and for one that loops
  /// (protochain);
  ///   ERR_FLATPROXY_NOT_FOUND where libpcap is not installed
  explicit PacketFilter(const std::string& text, std::span<const char* const> libraries = kLibraries);

  /// @param length bytes that are there  @param original bytes of the whole frame
  bool matches(const uint8_t* frame, uint32_t length, uint32_t original) const {
    return run_(program_.data(), frame, original, length) != 0;
  }

 private:
  /// `struct bpf_insn` of libpcap and BSD.
  struct Instruction {
    uint16_t code;
    uint8_t if_true;
    uint8_t if_false;
    uint32_t operand;
  };
  friend struct LibPcap;
  /// bpf_filter() of libpcap.
  using Run = unsigned (*)(const Instruction*, const uint8_t* packet, unsigned original, unsigned length);

  Run run_ = nullptr;
  std::vector<Instruction> program_;
};

}  // namespace flatproxy
