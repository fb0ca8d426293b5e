#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "port/fd.h"
#include "port/netlink.h"
#include "port/netlink_tc.h"

namespace flatproxy {

/// How programs come to an interface's tc hooks. automatic: tcx where the kernel has it (6.6), else clsact; with a
/// block that must survive the process tcx needs a BPF file system, and automatic takes clsact where none is mounted.
enum class AttachMode : uint8_t { automatic, tcx, clsact };

struct HookProgram {
  TcHook hook;
  int program;
  int stub = -1;  ///< the program that clsact gets instead, when the filter must do nothing once the process is gone
};

/// Programs at the hooks of one interface. They go with this object and with the process, except those that block.
class Attachment {
 public:
  /// @param block the programs stay at their hooks when the process is gone, until remove_leftovers()
  /// @throws Error ERR_FLATPROXY_PERMISSION, _UNSUPPORTED, ...
  Attachment(Netlink& netlink, const LinkInfo& link, const std::vector<HookProgram>& programs, AttachMode mode,
             bool block);
  ~Attachment();
  Attachment(const Attachment&) = delete;
  Attachment& operator=(const Attachment&) = delete;

 private:
  bool attach_tcx(const std::vector<HookProgram>& programs, bool block);
  void attach_clsact(const std::vector<HookProgram>& programs, bool block);

  Netlink& netlink_;
  LinkInfo link_;
  bool block_;
  std::vector<Fd> links_;
  bool filters_ = false;
};

/// Filters and pins of flatproxy's on an interface.
struct Leftovers {
  std::vector<TcFilter> filters;
  std::vector<std::string> pins;
};
/// Lists them; under the interface's lock, and before a new Attachment, they are a dead process's.
Leftovers find_leftovers(Netlink& netlink, uint32_t index);
/// Removes them; a clsact that flatproxy made goes too when nothing else uses it.
/// @returns how many there were
size_t remove_leftovers(Netlink& netlink, uint32_t index, const Leftovers& leftovers);

}  // namespace flatproxy
