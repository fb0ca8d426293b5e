#include "support/http_stream.h"

#include <algorithm>
#include <array>
#include <cstdlib>

namespace flatproxy::test {

using http::ParseError;

namespace {

constexpr http::HeadLimits kLimits;

Ending after(const http::RequestHead& head) {
  if (head.method == http::Method::connect || head.asks_websocket) return Ending::tunnel;
  return head.keep_alive ? Ending::open : Ending::closed;
}

Ending after(const http::ResponseHead& head, const http::Asked& asked) {
  if (http::is_interim(head.status)) return Ending::open;
  const bool connected = asked.method == http::Method::connect && head.status / 100 == 2;
  if (connected || head.status == 101) return Ending::tunnel;
  return head.keep_alive ? Ending::answered : Ending::closed;
}

}  // namespace

std::string_view word_for(const Reading& reading) {
  constexpr std::array<std::string_view, 5> kWords{"open", "incomplete", "answered", "closed", "tunnel"};
  if (reading.ending == Ending::refused) return http::name_of(reading.error);
  return kWords[static_cast<size_t>(reading.ending)];
}

void HttpStream::feed(tcp::ByteQueue bytes) {
  in_.append(std::move(bytes));
  read();
}

void HttpStream::feed(std::string_view bytes) {
  tcp::ByteQueue piece;
  const auto n = static_cast<uint32_t>(bytes.size());
  if (piece.copy_in(reinterpret_cast<const uint8_t*>(bytes.data()), n, buffers_) != n) std::abort();
  feed(std::move(piece));
}

void HttpStream::close() {
  if (in_body_ && body_.ends_with_close()) finish();
}

Reading HttpStream::reading() const {
  Reading reading = reading_;
  if (reading.ending == Ending::open && (in_body_ || !in_.empty())) reading.ending = Ending::incomplete;
  return reading;
}

void HttpStream::read() {
  while (reading_.ending == Ending::open && (in_body_ ? take_body() : take_head())) {
  }
  if (reading_.ending != Ending::open) in_.clear();
}

/// Returns whether a body is to be read.
bool HttpStream::take_head() {
  if (!progress_.is_due(in_, kLimits.bytes)) return false;
  const std::string_view bytes = source_.front(in_, kLimits.bytes);
  const ParseError error =
      asked_ ? http::parse_response(bytes, kLimits, *asked_, response_) : http::parse_request(bytes, kLimits, request_);
  if (error == ParseError::incomplete) std::abort();  // then it was not due
  if (error != ParseError::none) {
    reading_.ending = Ending::refused;
    reading_.error = error;
  } else if (asked_) {
    const auto size = static_cast<uint32_t>(response_.bytes.size());
    start({std::to_string(response_.status), {}, size, {}, 0}, response_.body, after(response_, *asked_));
  } else {
    const auto size = static_cast<uint32_t>(request_.bytes.size());
    start({std::string(request_.method_name), std::string(request_.target), size, {}, 0}, request_.body,
          after(request_));
  }
  return in_body_;
}

void HttpStream::start(ReadMessage message, const http::Body& body, Ending next) {
  message_ = std::move(message);
  next_ = next;
  body_.begin(body, http::ChunkedReader::Form::plain);
  in_body_ = true;
  in_.drop_front(message_.head);
  taken_ += message_.head;
  progress_.restart();
}

/// Returns whether the next head is to be read.
bool HttpStream::take_body() {
  const uint32_t before = in_.bytes();
  tcp::ByteQueue out;
  const ParseError error = body_.take(in_, out, buffers_);
  taken_ += before - in_.bytes();
  std::string content(out.bytes(), '\0');
  out.peek(reinterpret_cast<uint8_t*>(content.data()), out.bytes());
  message_.content += content;
  if (error != ParseError::none) {
    reading_.ending = Ending::refused;
    reading_.error = error;
    return false;
  }
  if (body_.done()) finish();
  return !in_body_;
}

void HttpStream::finish() {
  message_.end = taken_;
  reading_.messages.push_back(std::move(message_));
  reading_.ending = next_;
  in_body_ = false;
}

Reading read_stream(std::string_view bytes, std::optional<http::Asked> asked, size_t size, Buffers& buffers) {
  HttpStream stream(buffers, asked);
  for (; !bytes.empty(); bytes.remove_prefix(std::min(size, bytes.size()))) stream.feed(bytes.substr(0, size));
  stream.close();
  return stream.reading();
}

std::optional<http::Asked> asked_of(std::string_view word) {
  if (word == "GET") return http::Asked{};
  if (word == "HEAD") return http::Asked{http::Method::head};
  if (word == "CONNECT") return http::Asked{http::Method::connect};
  if (word == "websocket") return http::Asked{http::Method::get, true};
  return std::nullopt;
}

}  // namespace flatproxy::test
