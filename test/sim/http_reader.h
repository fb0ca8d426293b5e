#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "http_plan.h"

namespace flatproxy::sim {

/// A head of a message.
struct HttpHead {
  std::string first;                          ///< line
  std::map<std::string, std::string> fields;  ///< names in lower case
  bool good = false;                          ///< false: a line is none, or a field comes twice

  static HttpHead of(const std::string& text);
  /// Empty: it has none of that name.
  std::string field(const std::string& name) const;
  /// A field that is a number; -1: it is none.
  int64_t number(const std::string& name) const;
};

/// Reads messages as they come, in any pieces. It knows what the peers of a simulation say and what a proxy may make of
/// that, and calls anything else broken.
class HttpReader {
 public:
  enum class At : uint8_t { head, head_end, body, end, broken };

  /// Called with each piece of content.
  std::function<void(const char* bytes, size_t n)> on_content = [](const char*, size_t) {};

  /// Takes bytes up to the end of a head, or of a body. Returns how many: all of them, or at() says why not.
  size_t take(const char* bytes, size_t n);
  At at() const { return at_; }
  /// Nothing of a message has come yet.
  bool fresh() const { return at_ == At::head && text_.empty(); }
  /// At a head's end: its text.
  const std::string& head() const { return text_; }
  /// At a head's end: what follows it. @param length of Coding::length
  void begin_body(Coding coding, uint64_t length);
  Coding coding() const { return coding_; }
  /// Behind a body: the lines of its trailers.
  const std::string& trailers() const { return text_; }
  /// At its end: the next message.
  void restart();

 private:
  enum class Chunk : uint8_t { size, content, content_end, trailer };

  size_t take_line(const char* bytes, size_t n);
  void end_line();
  size_t take_content(const char* bytes, size_t n);

  At at_ = At::head;
  Coding coding_ = Coding::none;
  Chunk chunk_ = Chunk::size;
  uint64_t remaining_ = 0;
  std::string line_;
  std::string text_;
};

}  // namespace flatproxy::sim
