#include "replay/flow_spool.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "packet/error.h"

namespace flatproxy {
namespace {

const char* folder() {
  const char* set = std::getenv("TMPDIR");  // NOLINT(concurrency-mt-unsafe): nobody sets it while we run
  return set != nullptr && *set != '\0' ? set : "/tmp";
}

[[noreturn]] void fail(const char* what) {
  std::string message = std::string("the flows of a replay can't be ") + what;
  message.append(" in ").append(folder()).append(": ").append(std::strerror(errno));
  throw Error("ERR_FLATPROXY_FILE", message, "let TMPDIR name a folder that may be written and has room");
}

}  // namespace

FlowSpool::FlowSpool() : file_(open(folder(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)) {
  if (!file_) fail("kept");
  batch_.reserve(kBatch);
}

void FlowSpool::push(const FlowRecord& flow) {
  batch_.push_back(flow);
  ++size_;
  if (batch_.size() == kBatch) flush();
}

void FlowSpool::flush() {
  const auto* bytes = reinterpret_cast<const char*>(batch_.data());
  for (size_t left = batch_.size() * sizeof(FlowRecord); left > 0;) {
    const ssize_t n = write(file_.get(), bytes, left);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("written");
    bytes += n;
    left -= static_cast<size_t>(n);
  }
  batch_.clear();
}

std::vector<FlowRecord> FlowSpool::read(uint64_t first, uint64_t count) const {
  if (first >= size_) return {};
  std::vector<FlowRecord> records(std::min(count, size_ - first));
  auto* bytes = reinterpret_cast<char*>(records.data());
  auto at = static_cast<off_t>(first * sizeof(FlowRecord));
  for (size_t left = records.size() * sizeof(FlowRecord); left > 0;) {
    const ssize_t n = pread(file_.get(), bytes, left, at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail("read");
    bytes += n;
    at += n;
    left -= static_cast<size_t>(n);
  }
  return records;
}

}  // namespace flatproxy
