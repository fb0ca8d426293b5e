#include "log/log_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "packet/error.h"

namespace flatproxy {
namespace {

constexpr mode_t kMode = 0640;

/// Without waiting: for a pipe's reader, or for room in it.
Fd open_file(const std::string& path) {
  Fd fd(open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, kMode));
  if (fd) return fd;
  std::string message = "the access log ";
  message.append(path).append(" cannot be opened: ").append(std::strerror(errno));
  throw Error("ERR_FLATPROXY_LOG", message, "make its folder, and let flatproxy write there");
}

}  // namespace

LogFile::LogFile(std::string path) : path_(std::move(path)), fd_(open_file(path_)) {}

void LogFile::reopen() {
  Fd next = open_file(path_);
  flush();
  fd_ = std::move(next);
}

uint64_t LogFile::write(std::string_view lines) {
  flush();
  if (pending_.size() + lines.size() > kMostPending) {
    return static_cast<uint64_t>(std::count(lines.begin(), lines.end(), '\n'));
  }
  pending_.append(lines);
  flush();
  return 0;
}

void LogFile::flush() {
  while (!pending_.empty()) {
    const ssize_t n = ::write(fd_.get(), pending_.data(), pending_.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    pending_.erase(0, static_cast<size_t>(n));
  }
}

}  // namespace flatproxy
