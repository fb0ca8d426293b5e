#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/body.h"
#include "http/head_source.h"
#include "http/request_parse.h"
#include "http/response_parse.h"

namespace flatproxy::test {

/// One message of a stream, from its first byte to its last.
struct ReadMessage {
  std::string start;    ///< a request's method, a response's status
  std::string target;   ///< of a request
  uint32_t head = 0;    ///< bytes
  std::string content;  ///< of the body, without its coding
  uint32_t end = 0;     ///< offset behind the message
  bool operator==(const ReadMessage&) const = default;
};

/// Why reading came to its end.
enum class Ending : uint8_t {
  open,        ///< it did not: between two requests, or before the response
  incomplete,  ///< within a message
  answered,    ///< the final response was read
  closed,      ///< likewise, or a request, and no further message may follow on this connection
  tunnel,      ///< what follows is not HTTP, or not before the other side has agreed to another protocol
  refused,
};

struct Reading {
  std::vector<ReadMessage> messages;
  Ending ending = Ending::open;
  http::ParseError error = http::ParseError::none;  ///< of Ending::refused
  bool operator==(const Reading&) const = default;
};

/// A word for it: `closed`; the error's when it was refused.
std::string_view word_for(const Reading& reading);

/// Reads the messages of one direction of a connection with the codec, as they come, and says where each ends.
class HttpStream {
 public:
  /// @param asked what the one final response answers; nothing: requests are read
  explicit HttpStream(Buffers& buffers, std::optional<http::Asked> asked = std::nullopt)
      : buffers_(buffers), asked_(asked) {}

  /// More bytes have come.
  void feed(tcp::ByteQueue bytes);
  void feed(std::string_view bytes);
  /// The other side has closed.
  void close();
  /// So far.
  Reading reading() const;

 private:
  void read();
  bool take_head();
  bool take_body();
  void start(ReadMessage message, const http::Body& body, Ending next);
  void finish();

  Buffers& buffers_;
  std::optional<http::Asked> asked_;
  tcp::ByteQueue in_;
  http::HeadProgress progress_;
  http::HeadSource source_;
  http::BodyReader body_;
  http::RequestHead request_;
  http::ResponseHead response_;
  ReadMessage message_;         // whose body is being read
  Ending next_ = Ending::open;  // once that has ended
  bool in_body_ = false;
  uint32_t taken_ = 0;
  Reading reading_;
};

/// Reads a stream that comes in pieces of `size` bytes, and is then closed.
Reading read_stream(std::string_view bytes, std::optional<http::Asked> asked, size_t size, Buffers& buffers);

/// What a word says was asked for: a method's name, or `websocket`. Nothing: it says neither.
std::optional<http::Asked> asked_of(std::string_view word);

}  // namespace flatproxy::test
