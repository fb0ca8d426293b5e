// The HTTP/1.1 codec, whole and in pieces: the messages of a stream are the same, and their heads hold what their
// bytes say. An input is a letter (what was asked for, or requests), three lengths of pieces, and the stream.
#include <algorithm>
#include <string>

#include "http/chars.h"
#include "http_pieces.h"
#include "support/http_stream.h"

namespace {

using namespace flatproxy;
using namespace flatproxy::http;
using fuzz::require;

struct Context {
  Buffers buffers;
  fuzz::ExactSegments segments;
};

bool lies_in(std::string_view part, std::string_view whole) {
  return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

/// What nobody may find in a head that was accepted.
void check_bytes(std::string_view bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    require(bytes[i] != '\0');
    require(bytes[i] != '\r' || bytes[i + 1] == '\n');
    require(bytes[i] != '\n' || (i > 0 && bytes[i - 1] == '\r'));
  }
  require(bytes.ends_with("\r\n\r\n"));
}

void check_fields(const Fields& fields, std::string_view bytes) {
  for (const Field& field : fields) {
    require(lies_in(field.name, bytes) && lies_in(field.value, bytes));
    require(!field.name.empty() && field.value == trim(field.value));
    require(std::all_of(field.name.begin(), field.name.end(), [](char c) { return is(c, kToken); }));
    require(std::all_of(field.value.begin(), field.value.end(), [](char c) { return is(c, kFieldValue); }));
  }
}

/// One way to tell the end, and it is what the fields say.
void check_framing(const Fields& fields, const Body& body) {
  const bool length = fields.has(FieldId::content_length);
  const bool encoding = fields.has(FieldId::transfer_encoding);
  require(!(length && encoding));
  require(!fields.repeats(FieldId::content_length) && !fields.repeats(FieldId::transfer_encoding));
  if (body.kind == BodyKind::chunked) require(encoding);
  if (body.kind == BodyKind::length)
    require(std::stoull(std::string(fields.find(FieldId::content_length)->value)) == body.length);
  if (body.kind == BodyKind::until_close) require(!length && !encoding);
}

void check(const RequestHead& head) {
  for (const auto part : {head.method_name, head.target, head.scheme, head.query}) require(lies_in(part, head.bytes));
  require(head.version == Version::http10 || !head.authority.empty());
  require(!head.fields.repeats(FieldId::host));
  require(head.body.kind != BodyKind::until_close);
  require(!head.expects_continue || head.body.kind != BodyKind::none);
  if (head.body.kind == BodyKind::none) {
    require(!head.fields.has(FieldId::content_length) && !head.fields.has(FieldId::transfer_encoding));
  }
}

void check(const ResponseHead& head) {
  require(lies_in(head.reason, head.bytes));
  require(head.status >= 100 && head.status <= 599);
  require(!head.keep_alive || head.body.kind != BodyKind::until_close);
}

std::string start_line(const RequestHead& head) {
  return std::string(head.method_name) + ' ' + std::string(head.target) + " HTTP/1." +
         (head.version == Version::http11 ? '1' : '0');
}

std::string start_line(const ResponseHead& head) {
  return std::string("HTTP/1.") + (head.version == Version::http11 ? '1' : '0') + ' ' + std::to_string(head.status) +
         ' ' + std::string(head.reason);
}

/// As it would be passed on.
template <typename Head>
std::string rewrite(const Head& head) {
  std::string text = start_line(head) + "\r\n";
  for (const Field& field : head.fields) {
    text.append(field.name).append(":").append(field.value).append("\r\n");
  }
  return text + "\r\n";
}

/// The head at the front of `bytes`, which has `size` of them, alone in memory of its own; what is in front of its end
/// is incomplete; written anew it is the same.
template <typename Head, typename Parse>
void check_head(std::string_view bytes, uint32_t size, Parse parse) {
  const std::vector<char> alone(bytes.begin(), bytes.begin() + size);
  const std::string_view text(alone.data(), alone.size());
  static Head head;  // large
  static Head again;
  require(parse(text, head) == ParseError::none && head.bytes == text);
  check_bytes(text);
  check_fields(head.fields, text);
  check_framing(head.fields, head.body);
  check(head);
  const std::string written = rewrite(head);
  require(parse(written, again) == ParseError::none && again.bytes == written && rewrite(again) == written);
  require(again.body.kind == head.body.kind && again.body.length == head.body.length);
  require(again.keep_alive == head.keep_alive);
  for (size_t n = 0; n < std::min<size_t>(size, 256); ++n)
    require(parse(text.substr(0, n), again) == ParseError::incomplete);
}

void check_heads(std::string_view stream, const std::optional<Asked>& asked, const test::Reading& reading) {
  uint32_t at = 0;
  for (const test::ReadMessage& message : reading.messages) {
    const std::string_view bytes = stream.substr(at);
    if (asked) {
      check_head<ResponseHead>(bytes, message.head, [&](std::string_view text, ResponseHead& head) {
        return parse_response(text, {}, *asked, head);
      });
    } else {
      check_head<RequestHead>(bytes, message.head,
                              [](std::string_view text, RequestHead& head) { return parse_request(text, {}, head); });
    }
    require(message.end >= at + message.head + message.content.size() && message.end <= stream.size());
    at = message.end;
  }
}

std::optional<Asked> asked_by(uint8_t letter) {
  // clang-format off
  switch (letter) {
    case 'G': return test::asked_of("GET");
    case 'H': return test::asked_of("HEAD");
    case 'C': return test::asked_of("CONNECT");
    case 'W': return test::asked_of("websocket");
    default: return std::nullopt;
  }
  // clang-format on
}

test::Reading read(std::string_view bytes, const std::optional<Asked>& asked, const fuzz::Lengths& lengths,
                   Context& context) {
  test::HttpStream stream(context.buffers, asked);
  fuzz::in_pieces(bytes, lengths, context.segments, [&](tcp::ByteQueue piece) { stream.feed(std::move(piece)); });
  stream.close();
  return stream.reading();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 4) return 0;
  static Context context;
  const std::string_view stream(reinterpret_cast<const char*>(data) + 4, size - 4);
  const auto asked = asked_by(data[0]);
  const auto ways = fuzz::ways_to_cut(data + 1, stream.size());
  const test::Reading whole = read(stream, asked, ways[0], context);
  for (const fuzz::Lengths& lengths : ways) require(read(stream, asked, lengths, context) == whole);
  check_heads(stream, asked, whole);
  require(context.segments.alive() == 0 && context.buffers.loans.in_use() == 0);
  return 0;
}
