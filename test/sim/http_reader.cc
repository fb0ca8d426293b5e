#include "http_reader.h"

#include <algorithm>
#include <cctype>

namespace flatproxy::sim {
namespace {

constexpr size_t kLongestHead = 4096;

bool ends_with(const std::string& text, const char* end) { return text.ends_with(end); }

}  // namespace

HttpHead HttpHead::of(const std::string& text) {
  HttpHead head;
  size_t at = text.find("\r\n");
  head.first = text.substr(0, at);
  head.good = true;
  for (at += 2; at + 2 < text.size();) {
    const size_t end = text.find("\r\n", at);
    const size_t colon = text.find(": ", at);
    if (colon > end) return head.good = false, head;
    std::string name = text.substr(at, colon - at);
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    head.good &= head.fields.emplace(name, text.substr(colon + 2, end - colon - 2)).second;
    at = end + 2;
  }
  return head;
}

std::string HttpHead::field(const std::string& name) const {
  const auto found = fields.find(name);
  return found == fields.end() ? "" : found->second;
}

int64_t HttpHead::number(const std::string& name) const {
  const std::string text = field(name);
  const bool digits = !text.empty() && text.size() < 10 && text.find_first_not_of("0123456789") == std::string::npos;
  return digits ? std::stoll(text) : -1;
}

size_t HttpReader::take(const char* bytes, size_t n) {
  size_t taken = 0;
  while (taken < n && at_ == At::head) {
    text_ += bytes[taken++];
    if (ends_with(text_, "\r\n\r\n")) at_ = At::head_end;
    if (text_.size() > kLongestHead) at_ = At::broken;
  }
  while (taken < n && at_ == At::body) {
    const bool content = coding_ != Coding::chunked || chunk_ == Chunk::content;
    taken += content ? take_content(bytes + taken, n - taken) : take_line(bytes + taken, n - taken);
  }
  return taken;
}

void HttpReader::begin_body(Coding coding, uint64_t length) {
  coding_ = coding;
  chunk_ = Chunk::size;
  remaining_ = length;
  text_.clear();
  line_.clear();
  at_ = coding == Coding::none || (coding == Coding::length && length == 0) ? At::end : At::body;
}

void HttpReader::restart() {
  at_ = At::head;
  text_.clear();
}

size_t HttpReader::take_content(const char* bytes, size_t n) {
  if (coding_ != Coding::until_close) n = std::min<uint64_t>(n, remaining_);
  on_content(bytes, n);
  remaining_ -= coding_ != Coding::until_close ? n : 0;
  if (coding_ == Coding::length && remaining_ == 0) at_ = At::end;
  if (coding_ == Coding::chunked && remaining_ == 0) chunk_ = Chunk::content_end;
  return n;
}

/// What is around chunks comes in lines.
size_t HttpReader::take_line(const char* bytes, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    line_ += bytes[i];
    if (line_.size() > kLongestHead) at_ = At::broken;
    if (!ends_with(line_, "\r\n")) continue;
    end_line();
    line_.clear();
    return i + 1;
  }
  return n;
}

void HttpReader::end_line() {
  line_.resize(line_.size() - 2);
  switch (chunk_) {
    case Chunk::size: {
      const bool good =
          !line_.empty() && line_.size() < 8 && line_.find_first_not_of("0123456789abcdef") == std::string::npos;
      if (!good) {
        at_ = At::broken;
        return;
      }
      remaining_ = std::stoull(line_, nullptr, 16);
      chunk_ = remaining_ > 0 ? Chunk::content : Chunk::trailer;
      return;
    }
    case Chunk::content_end:
      if (!line_.empty()) at_ = At::broken;
      chunk_ = Chunk::size;
      return;
    case Chunk::trailer:
      if (line_.empty())
        at_ = At::end;
      else
        text_ += line_ + "\r\n";
      return;
    case Chunk::content:
      return;
  }
}

}  // namespace flatproxy::sim
