#include "http/request_parse.h"

#include <gtest/gtest.h>

#include <string>

#include "http/body.h"
#include "http/head_source.h"
#include "http/response_parse.h"

namespace flatproxy::http {
namespace {

using tcp::ByteQueue;

constexpr std::string_view kGet =
    "GET /cart?item=1 HTTP/1.1\r\n"
    "Host: shop.example:8080\r\n"
    "Accept: */*\r\n"
    "X-Empty:\r\n"
    "Cookie:  a=b \t\r\n"
    "\r\n";

/// A concatenation that gcc 12 does not take for a wrong memcpy (PR105651).
std::string with(std::string_view text, std::string_view behind) {
  std::string both(text);
  both.append(behind);
  return both;
}

ParseError parse(std::string_view bytes, RequestHead& head, const HeadLimits& limits = {}) {
  return parse_request(bytes, limits, head);
}

TEST(HttpParse, ShowsTheTextsOfARequest) {
  RequestHead head;
  const std::string text = with(kGet, "next");
  ASSERT_EQ(parse(text, head), ParseError::none);
  EXPECT_EQ(head.bytes.size(), kGet.size());
  EXPECT_EQ(head.method, Method::get);
  EXPECT_EQ(head.method_name, "GET");
  EXPECT_EQ(head.target, "/cart?item=1");
  EXPECT_EQ(head.path, "/cart");
  EXPECT_EQ(head.query, "item=1");
  EXPECT_EQ(head.authority, "shop.example:8080");
  EXPECT_TRUE(head.keep_alive);
  ASSERT_EQ(head.fields.count(), 4u);
  EXPECT_EQ(head.fields[2].name, "X-Empty");
  EXPECT_EQ(head.fields[2].value, "");
  EXPECT_EQ(head.fields[3].value, "a=b");
  EXPECT_EQ(head.fields[3].id, FieldId::cookie);
}

TEST(HttpParse, IsIncompleteUpToTheLastByte) {
  RequestHead head;
  for (size_t n = 0; n < kGet.size(); ++n) EXPECT_EQ(parse(kGet.substr(0, n), head), ParseError::incomplete) << n;
}

TEST(HttpParse, KnowsTheFourFormsOfATarget) {
  RequestHead head;
  ASSERT_EQ(parse("GET http://A.example:80?x HTTP/1.1\r\nHost: a.example\r\n\r\n", head), ParseError::none);
  EXPECT_EQ(head.authority, "A.example:80");
  EXPECT_EQ(head.path, "/");
  EXPECT_EQ(head.query, "x");
  ASSERT_EQ(parse("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n", head), ParseError::none);
  EXPECT_EQ(head.path, "*");
  ASSERT_EQ(parse("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", head), ParseError::none);
  EXPECT_EQ(head.path, "*");
  ASSERT_EQ(parse("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", head), ParseError::none);
  EXPECT_EQ(head.authority, "a:443");
  EXPECT_EQ(parse("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", head), ParseError::bad_target);
  EXPECT_EQ(parse("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", head), ParseError::host_mismatch);
}

TEST(HttpParse, LimitsWhatAHeadMayBe) {
  RequestHead head;
  EXPECT_EQ(parse(kGet, head, {.bytes = 50}), ParseError::head_too_large);
  EXPECT_EQ(parse(kGet, head, {.bytes = static_cast<uint32_t>(kGet.size())}), ParseError::none);
  EXPECT_EQ(parse(kGet, head, {.fields = 3}), ParseError::too_many_fields);
  EXPECT_EQ(parse(kGet, head, {.target = 11}), ParseError::target_too_long);
  EXPECT_EQ(parse(kGet, head, {.target = 12}), ParseError::none);
  EXPECT_EQ(parse("GET /aaaaaaaaaaaa", head, {.target = 11}), ParseError::target_too_long);
}

TEST(HttpParse, TellsWhereABodyEnds) {
  RequestHead head;
  ASSERT_EQ(parse("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n", head), ParseError::none);
  EXPECT_EQ(head.body.kind, BodyKind::length);
  EXPECT_EQ(head.body.length, 12u);
  ASSERT_EQ(parse("POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: Chunked\r\n\r\n", head), ParseError::none);
  EXPECT_EQ(head.body.kind, BodyKind::chunked);
  ResponseHead response;
  ASSERT_EQ(parse_response("HTTP/1.1 200 OK\r\n\r\n", {}, {}, response), ParseError::none);
  EXPECT_EQ(response.body.kind, BodyKind::until_close);
  EXPECT_FALSE(response.keep_alive);
  ASSERT_EQ(parse_response("HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n", {}, {Method::head}, response),
            ParseError::none);
  EXPECT_EQ(response.body.kind, BodyKind::none);
  EXPECT_TRUE(response.keep_alive);
  EXPECT_EQ(parse_response("HTTP/1.1 101 Switching\r\n\r\n", {}, {}, response), ParseError::unexpected_switch);
}

TEST(HttpParse, SwitchesToTheProtocolThatWasAskedFor) {
  constexpr std::string_view kSwitch = "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\n";
  const Asked asked{Method::get, true};
  ResponseHead head;
  EXPECT_EQ(parse_response(with(kSwitch, "Upgrade: WebSocket\r\n\r\n"), {}, asked, head), ParseError::none);
  EXPECT_EQ(parse_response(with(kSwitch, "Upgrade: WebSocket\r\n\r\n"), {}, {}, head), ParseError::unexpected_switch);
  EXPECT_EQ(parse_response(with(kSwitch, "Upgrade: h2c\r\n\r\n"), {}, asked, head), ParseError::unexpected_switch);
  EXPECT_EQ(parse_response(with(kSwitch, "\r\n"), {}, asked, head), ParseError::unexpected_switch);
}

/// A queue whose pieces have `size` bytes each.
ByteQueue in_pieces(std::string_view text, size_t size, Buffers& buffers) {
  ByteQueue queue;
  for (size_t at = 0; at < text.size(); at += size) {
    const std::string_view part = text.substr(at, size);
    Segment* piece = buffers.small.allocate(0);
    std::copy(part.begin(), part.end(), piece->data);
    piece->length = static_cast<uint32_t>(part.size());
    queue.push(piece);
  }
  return queue;
}

std::string text_of(const ByteQueue& queue) {
  std::string text(queue.bytes(), ' ');
  queue.peek(reinterpret_cast<uint8_t*>(text.data()), queue.bytes());
  return text;
}

constexpr std::string_view kCoded = "5;a=\"b;\";c\r\nhello\r\n00A\r\n, 1\r\n3 45;\r\n0\r\nX-Sum: 1\r\n\r\n";
constexpr std::string_view kWithoutExtensions = "5\r\nhello\r\n00A\r\n, 1\r\n3 45;\r\n0\r\nX-Sum: 1\r\n\r\n";

TEST(HttpChunked, PassesOnWhatIsNoExtensionInAnyPieces) {
  for (const auto form : {ChunkedReader::Form::coded, ChunkedReader::Form::plain}) {
    for (size_t size = 1; size <= kCoded.size() + 4; ++size) {
      Buffers buffers(256, 16, 256);
      ByteQueue in = in_pieces(with(kCoded, "next"), size, buffers);
      ByteQueue out;
      ChunkedReader reader(form);
      ASSERT_EQ(reader.take(in, out, buffers), ParseError::none);
      EXPECT_TRUE(reader.done());
      EXPECT_EQ(reader.data_bytes(), 15u);
      const bool coded = form == ChunkedReader::Form::coded;
      EXPECT_EQ(text_of(out), coded ? kWithoutExtensions : "hello, 1\r\n3 45;");
      EXPECT_EQ(text_of(in), "next");
    }
  }
}

TEST(HttpChunked, MovesWholePiecesWithoutACopy) {
  Buffers buffers(16, 16, 0);
  ByteQueue in = in_pieces("5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n", 7, buffers);
  const Segment* first = in.first();
  ByteQueue out;
  ChunkedReader reader;
  ASSERT_EQ(reader.take(in, out, buffers), ParseError::none);
  EXPECT_TRUE(reader.done());
  EXPECT_EQ(out.first(), first);
}

TEST(HttpChunked, RefusesWhatIsNoChunk) {
  // clang-format off
  constexpr std::pair<std::string_view, ParseError> kBad[] = {
      {"\r\n",                          ParseError::bad_chunk},
      {"g\r\n",                         ParseError::bad_chunk},
      {"-1\r\n",                        ParseError::bad_chunk},
      {"0x5\r\n",                       ParseError::bad_chunk},
      {"5 \r\nhello\r\n",               ParseError::bad_chunk},
      {"5\nhello\r\n",                  ParseError::bad_chunk},
      {"5\r\rhello\r\n",                ParseError::bad_chunk},
      {"5\r\nhelloX\r\n",               ParseError::bad_chunk},
      {"5\r\nhello\n0\r\n",             ParseError::bad_chunk},
      {"1;a\nx\r\n",                    ParseError::bad_chunk},
      {"1;a\rx\r\n",                    ParseError::bad_chunk},
      {"ffffffffffffffff\r\n",          ParseError::bad_chunk},
      {"0000000000000005\r\n",          ParseError::bad_chunk},
      {"0\r\nContent-Length: 4\r\n",    ParseError::bad_trailer},
      {"0\r\nTransfer-Encoding: a\r\n", ParseError::bad_trailer},
      {"0\r\nA : b\r\n",                ParseError::bad_trailer},
      {"0\r\n a: b\r\n",                ParseError::bad_trailer},
      {"0\r\na: b\nc: d\r\n",           ParseError::bad_trailer},
      {"0\r\n\n",                       ParseError::bad_trailer},
      {"0\r\n\rX",                      ParseError::bad_chunk},
  };
  // clang-format on
  for (const auto& [text, expected] : kBad) {
    for (size_t size = 1; size <= text.size(); ++size) {
      Buffers buffers(64, 16, 64);
      ByteQueue in = in_pieces(text, size, buffers);
      ByteQueue out;
      ChunkedReader reader;
      EXPECT_EQ(reader.take(in, out, buffers), expected) << text << " by " << size;
    }
  }
}

TEST(HttpBody, TakesNothingBehindItsEnd) {
  Buffers buffers(64, 16, 64);
  ByteQueue in = in_pieces("helloGET / HTTP/1.1", 8, buffers);
  ByteQueue out;
  BodyReader reader;
  reader.begin({BodyKind::length, 5});
  EXPECT_FALSE(reader.done());
  ASSERT_EQ(reader.take(in, out, buffers), ParseError::none);
  EXPECT_TRUE(reader.done());
  EXPECT_EQ(text_of(out), "hello");
  EXPECT_EQ(text_of(in), "GET / HTTP/1.1");
}

TEST(HttpHeadSource, FindsTheEndInAnyPieces) {
  for (size_t size = 1; size <= kGet.size(); ++size) {
    Buffers buffers(512, 16, 64);
    ByteQueue queue;
    HeadProgress progress;
    for (size_t at = 0; at < kGet.size(); at += size) {
      EXPECT_FALSE(progress.is_due(queue, 16384));
      queue.append(in_pieces(kGet.substr(at, size), size, buffers));
    }
    EXPECT_TRUE(progress.is_due(queue, 16384));
    HeadSource source;
    EXPECT_EQ(source.front(queue, 16384), kGet);
  }
}

}  // namespace
}  // namespace flatproxy::http
