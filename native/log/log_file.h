#pragma once

#include <string>
#include <string_view>

#include "port/fd.h"

namespace flatproxy {

/// A file that lines are appended to.
class LogFile {
 public:
  /// Made if there is none, readable by its owner and group. Throws Error ERR_FLATPROXY_LOG.
  explicit LogFile(std::string path);

  /// Goes on in whatever is at the path now, after the file was moved away. Throws as the constructor; then all goes on
  /// in the file before.
  void reopen();
  /// Lines that end with a newline, whole or not at all; never waits. Returns how many of them were not taken, for want
  /// of room where they go.
  uint64_t write(std::string_view lines);
  const std::string& path() const { return path_; }

 private:
  /// Beyond it lines are lost while what they go to does not take them.
  static constexpr size_t kMostPending = 1u << 20;

  void flush();

  std::string path_;
  Fd fd_;
  std::string pending_;  // what is still to be written; its first line may have begun
};

}  // namespace flatproxy
