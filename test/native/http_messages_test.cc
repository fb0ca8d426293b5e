// The table of test/http/messages through the codec: whole, and in any pieces.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "support/http_stream.h"

namespace flatproxy::test {
namespace {

using nlohmann::json;

struct Row {
  std::string name;
  std::string bytes;
  std::optional<http::Asked> asked;
  json expect;
};

/// The UTF-8 that JSON holds, as one byte for each character; there are none beyond U+00FF.
std::string latin1(const std::string& text) {
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto lead = static_cast<uint8_t>(text[i]);
    bytes += lead < 0x80 ? text[i] : static_cast<char>(lead << 6 | (text[++i] & 0x3f));
  }
  return bytes;
}

std::string bytes_of(const json& part) {
  std::string bytes;
  if (part.is_string()) return latin1(part.get<std::string>());
  if (part.is_object()) {
    for (int i = 0; i < part.at("times").get<int>(); ++i) bytes += part.at("repeat").get<std::string>();
  } else {
    for (const json& each : part) bytes += bytes_of(each);
  }
  return bytes;
}

std::vector<Row> read_rows() {
  std::vector<Row> rows;
  for (const auto& entry : std::filesystem::directory_iterator(FLATPROXY_MESSAGES)) {
    if (entry.path().extension() != ".json") continue;
    const std::string file = entry.path().stem();
    std::ifstream in(entry.path());
    for (const json& row : json::parse(in)) {
      Row read{file + ": " + row.at("name").get<std::string>(), bytes_of(row.at("bytes")), {}, row.at("expect")};
      if (file.rfind("responses", 0) == 0) read.asked = asked_of(row.value("asked", "GET"));
      rows.push_back(std::move(read));
    }
  }
  return rows;
}

const std::vector<Row>& rows() {
  static const std::vector<Row> kRows = read_rows();
  return kRows;
}

json to_json(const Row& row, const Reading& reading) {
  json messages = json::array();
  for (const ReadMessage& message : reading.messages) {
    json shown = {
        {"start", message.start}, {"head", message.head}, {"body", message.content.size()}, {"end", message.end}};
    if (!row.asked) shown["target"] = message.target;
    messages.push_back(std::move(shown));
  }
  json seen = {{"messages", messages}};
  const std::string_view then = word_for(reading);
  if (then != (row.asked ? "answered" : "open")) seen["then"] = then;
  if (reading.ending == Ending::refused && !row.asked) seen["status"] = http::status_of(reading.error);
  const size_t rest = row.bytes.size() - (reading.messages.empty() ? 0 : reading.messages.back().end);
  const bool ended = reading.ending != Ending::refused && reading.ending != Ending::incomplete;
  if (ended && rest > 0) seen["rest"] = rest;
  return seen;
}

TEST(HttpMessages, AreWhatTheTableSays) {
  Buffers buffers;
  ASSERT_GT(rows().size(), 600u);
  for (const Row& row : rows())
    EXPECT_EQ(to_json(row, read_stream(row.bytes, row.asked, row.bytes.size(), buffers)), row.expect) << row.name;
}

constexpr size_t kLong = 1024;  // what repeats one character is not worth as many cuts

TEST(HttpMessages, AreTheSameInPiecesOfAnySize) {
  Buffers buffers;
  for (const Row& row : rows()) {
    const Reading whole = read_stream(row.bytes, row.asked, row.bytes.size(), buffers);
    for (const size_t size : {1, 2, 7, 61}) {
      if (row.bytes.size() < kLong * size) {
        EXPECT_EQ(read_stream(row.bytes, row.asked, size, buffers), whole) << row.name << " by " << size;
      }
    }
  }
}

TEST(HttpMessages, AreTheSameCutInTwoAnywhere) {
  Buffers buffers;
  for (const Row& row : rows()) {
    const Reading whole = read_stream(row.bytes, row.asked, row.bytes.size(), buffers);
    for (size_t cut = 1; cut < std::min(row.bytes.size(), kLong); ++cut) {
      HttpStream stream(buffers, row.asked);
      stream.feed(std::string_view(row.bytes).substr(0, cut));
      stream.feed(std::string_view(row.bytes).substr(cut));
      stream.close();
      EXPECT_EQ(stream.reading(), whole) << row.name << " at " << cut;
    }
  }
}

/// The parser may be asked early: it waits, or says at once what it will say.
TEST(HttpMessages, HaveHeadsThatMeanTheSameFromTheFirstErrorOn) {
  for (const Row& row : rows()) {
    http::RequestHead request;
    http::ResponseHead response;
    const auto parse = [&](std::string_view bytes) {
      return row.asked ? http::parse_response(bytes, {}, *row.asked, response)
                       : http::parse_request(bytes, {}, request);
    };
    const http::ParseError whole = parse(row.bytes);
    for (size_t n = 0; n < std::min(row.bytes.size(), kLong); ++n) {
      const http::ParseError early = parse(std::string_view(row.bytes).substr(0, n));
      EXPECT_TRUE(early == http::ParseError::incomplete || early == whole) << row.name << " at " << n;
    }
  }
}

}  // namespace
}  // namespace flatproxy::test
