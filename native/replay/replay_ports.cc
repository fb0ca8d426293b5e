#include "replay/replay_ports.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "packet/error.h"
#include "port/local_mac.h"
#include "port/port_spec.h"

namespace flatproxy {
namespace {

/// A capture has frames that a NIC or a kernel has put together: none is too large for its wire.
constexpr uint16_t kLargestMtu = 65'535;

/// Whoever is behind a port: where what leaves by it is addressed to.
wire::Mac peer_mac(const std::string& port) { return local_mac("behind " + port); }

PortInfo describe(uint16_t id, const std::string& name) {
  PortInfo info;
  info.id = id;
  info.name = name;
  info.mac = local_mac(name);
  info.mtu = kLargestMtu;
  info.takes_any_mac = true;  // of the interfaces that were captured on
  info.only_peer = peer_mac(name);
  return info;
}

PcapFiles no_files() {
  PcapFiles files;
  files.replayed = true;
  return files;
}

/// Beside the path, so that it can be renamed to it; what is no file is written as it is.
std::string while_written(const std::string& path) {
  const std::filesystem::path final(path);
  std::error_code none;
  if (std::filesystem::exists(final, none) && !std::filesystem::is_regular_file(final, none)) return path;
  return (final.parent_path() / (".part-" + final.filename().string())).string();
}

}  // namespace

ReplayPorts::ReplayPorts(const ReplayOptions& options, const ReplayProgress& progress)
    : options_(options), progress_(progress) {
  for (const auto& [port, path, fd] : options.inputs) {
    if (fd >= 0) pipes_[port] = Fd(fd);
  }
}

ReplayPorts::~ReplayPorts() {
  for (const auto& [path, written_to] : outputs_) {
    std::error_code none;
    if (written_to != path) std::filesystem::remove(written_to, none);
  }
}

OpenPort ReplayPorts::opener() {
  return [this](uint16_t id, const std::string& name, const std::string& config) { return open(id, name, config); };
}

PcapFiles ReplayPorts::files_of(uint16_t id) {
  PcapFiles files = no_files();
  files.cancelled = &progress_.cancelled;
  files.snapped = options_.fill_snapped ? Snapped::fill : Snapped::refuse;
  for (const auto& [port, path, fd] : options_.inputs) {
    if (port != id) continue;
    files.read = path;
    if (fd >= 0) files.read_fd = pipes_[port].release();
  }
  for (const auto& [port, path] : options_.outputs) {
    if (port != id) continue;
    files.write = while_written(path);
    outputs_.push_back({path, files.write});
  }
  return files;
}

OpenedPort ReplayPorts::open(uint16_t id, const std::string& name, const std::string& config) {
  ports_.push_back(std::make_shared<PcapPort>(describe(id, name), files_of(id), 1));
  OpenedPort opened(ports_.back());
  if (has_host(parse_port_spec(config))) {
    opened.host = std::make_shared<PcapPort>(describe(id, "host"), no_files(), 1);
  }
  return opened;
}

uint64_t ReplayPorts::bytes_read() const {
  uint64_t bytes = 0;
  for (const auto& port : ports_) bytes += port->bytes_read();
  return bytes;
}

uint64_t ReplayPorts::snapped() const {
  uint64_t packets = 0;
  for (const auto& port : ports_) packets += port->truncated();
  return packets;
}

void ReplayPorts::check() const {
  for (const auto& port : ports_) {
    if (port->queue(0).up()) continue;
    for (const auto& [id, path, fd] : options_.inputs) {
      if (id == port->info().id) refuse_capture(path, port->loss_reason());
    }
    throw Error("ERR_FLATPROXY_FILE", port->info().name + ": " + port->loss_reason(), "see to room on the disk");
  }
}

void ReplayPorts::finish() {
  for (const auto& port : ports_) port->flush();
  check();
  for (auto& [path, written_to] : outputs_) {
    if (written_to != path && std::rename(written_to.c_str(), path.c_str()) != 0) {
      std::string what = "the capture " + path;
      throw Error("ERR_FLATPROXY_FILE", what.append(" can't be written: ").append(std::strerror(errno)),
                  "choose a path in a folder that exists and may be written");
    }
    written_to = path;
  }
}

}  // namespace flatproxy
