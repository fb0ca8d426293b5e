#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/plan.h"
#include "port/fd.h"
#include "port/pcap.h"
#include "replay/replay.h"

namespace flatproxy {

/// The ports of a replay: each stands for one of the mesh, whatever its type, with captures in place of a wire.
class ReplayPorts {
 public:
  ReplayPorts(const ReplayOptions& options, const ReplayProgress& progress);
  /// What is not finished goes.
  ~ReplayPorts();
  ReplayPorts(const ReplayPorts&) = delete;
  ReplayPorts& operator=(const ReplayPorts&) = delete;

  OpenPort opener();
  /// Bytes that were read of all captures, and packets that were filled.
  uint64_t bytes_read() const;
  uint64_t snapped() const;
  /// Throws ERR_FLATPROXY_CAPTURE: a capture turned out broken, or cannot be written.
  void check() const;
  /// Puts what was written in its place. Throws Error ERR_FLATPROXY_FILE.
  void finish();

 private:
  struct Output {
    std::string path;
    std::string written_to;
  };
  OpenedPort open(uint16_t id, const std::string& name, const std::string& config);
  PcapFiles files_of(uint16_t id);

  const ReplayOptions& options_;
  const ReplayProgress& progress_;
  std::map<uint16_t, Fd> pipes_;  // that no port has yet
  std::vector<std::shared_ptr<PcapPort>> ports_;
  std::vector<Output> outputs_;
};

}  // namespace flatproxy
