#include "capture/packet_filter.h"

#include <dlfcn.h>

#include <algorithm>
#include <mutex>

#include "packet/error.h"

namespace flatproxy {

/// What is used of libpcap. Once loaded it stays.
struct LibPcap {
  struct Program {  // struct bpf_program
    unsigned length;
    PacketFilter::Instruction* instructions;
  };
  void* (*open_dead)(int link_type, int snap_length);
  int (*compile)(void* pcap, Program* to, const char* text, int optimize, uint32_t netmask);
  char* (*error_of)(void* pcap);
  void (*free_program)(Program*);
  void (*close)(void* pcap);
  PacketFilter::Run run;

  static LibPcap load(std::span<const char* const> libraries);
};

namespace {

constexpr int kEthernet = 1;
constexpr int kSnapLength = 262'144;
constexpr uint32_t kNoNetmask = 0xffffffff;
constexpr uint16_t kJump = 0x05;  // BPF_JMP | BPF_JA

template <typename Function>
bool find(void* library, const char* name, Function& to) {
  to = reinterpret_cast<Function>(dlsym(library, name));
  return to != nullptr;
}

/// Jumps go forward, but for the ones that follow a chain of IPv6 headers: they would hold a lane for as long as a
/// packet likes.
template <typename Instruction>
bool loops(const Instruction& i) {
  return i.code == kJump && (i.operand >> 31) != 0;
}

[[noreturn]] void refuse(const std::string& text, const std::string& why) {
  std::string message = "the filter '";
  message.append(text).append("' is refused: ").append(why);
  throw Error("ERR_FLATPROXY_ARGUMENT", message, "write it in tcpdump's language: see pcap-filter(7)");
}

}  // namespace

LibPcap LibPcap::load(std::span<const char* const> libraries) {
  void* library = nullptr;
  for (const char* name : libraries) {
    if (library == nullptr) library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  }
  LibPcap pcap{};
  const bool whole = library != nullptr && find(library, "pcap_open_dead", pcap.open_dead) &&
                     find(library, "pcap_compile", pcap.compile) && find(library, "pcap_geterr", pcap.error_of) &&
                     find(library, "pcap_freecode", pcap.free_program) && find(library, "pcap_close", pcap.close) &&
                     find(library, "bpf_filter", pcap.run);
  if (whole) return pcap;
  throw Error("ERR_FLATPROXY_NOT_FOUND", "libpcap, which compiles filters of captures, is not installed",
              "install it (apt-get install libpcap0.8), or capture without a filter");
}

PacketFilter::PacketFilter(const std::string& text, std::span<const char* const> libraries) {
  const LibPcap pcap = LibPcap::load(libraries);
  if (text.find('\0') != std::string::npos) refuse(text.substr(0, text.find('\0')), "it holds a zero byte");
  static std::mutex one_at_a_time;  // its compiler has global state up to 1.7
  const std::lock_guard lock(one_at_a_time);
  void* handle = pcap.open_dead(kEthernet, kSnapLength);
  if (handle == nullptr) throw Error("ERR_FLATPROXY_RESOURCE", "libpcap has no memory for a filter");
  LibPcap::Program program{};
  const bool compiled = pcap.compile(handle, &program, text.c_str(), 1, kNoNetmask) == 0;
  const std::string why = compiled ? std::string() : pcap.error_of(handle);
  if (compiled) program_.assign(program.instructions, program.instructions + program.length);
  if (compiled) pcap.free_program(&program);
  pcap.close(handle);
  if (!compiled) refuse(text, why);
  if (std::any_of(program_.begin(), program_.end(), loops<Instruction>)) refuse(text, "it loops, as protochain does");
  run_ = pcap.run;
}

}  // namespace flatproxy
