#include <gtest/gtest.h>

#include <string>

#include "http/head_writer.h"
#include "http/path.h"

namespace flatproxy::http {
namespace {

std::string normalized(std::string path, const PathSettings& settings = {}) {
  std::string to(path.size(), 0);
  std::string_view result = path;
  return normalize_path(settings, to.data(), result) ? std::string(result) : "refused";
}

TEST(HttpPath, LosesDotSegmentsAndNeedlessEncoding) {
  // clang-format off
  constexpr std::pair<const char*, const char*> kPaths[] = {
      {"/",                  "/"},
      {"/a/b",               "/a/b"},
      {"/a/./b",             "/a/b"},
      {"/a/b/.",             "/a/b/"},
      {"/a/b/..",            "/a/"},
      {"/a/../../../b",      "/b"},
      {"/..",                "/"},
      {"/a//../b",           "/a/b"},
      {"/a/%2e%2E/b",        "/b"},
      {"/a/.%2e;x/b",        "/a/..;x/b"},
      {"/%61%7Eb%2fc%3f%25", "/a~b%2fc%3f%25"},
      {"/a//b/",             "/a//b/"},
      {"/.hidden/...",       "/.hidden/..."},
      {"/a%252e",            "/a%252e"},
  };
  // clang-format on
  for (const auto& [path, expected] : kPaths) EXPECT_EQ(normalized(path), expected) << path;
}

TEST(HttpPath, DoesAsItsSettingsSay) {
  const PathSettings reject{.dot_segments = HttpSettings::DotSegments::reject,
                            .encoded_slashes = HttpSettings::EncodedSlashes::reject};
  EXPECT_EQ(normalized("/a/../b", reject), "refused");
  EXPECT_EQ(normalized("/a/%2e", reject), "refused");
  EXPECT_EQ(normalized("/a%2Fb", reject), "refused");
  EXPECT_EQ(normalized("/a/.b", reject), "/a/.b");
  const PathSettings keep{.dot_segments = HttpSettings::DotSegments::keep};
  EXPECT_EQ(normalized("/a/../b", keep), "/a/../b");
  const PathSettings merge{.encoded_slashes = HttpSettings::EncodedSlashes::decode, .merge_slashes = true};
  EXPECT_EQ(normalized("//a%2F/b///", merge), "/a/b/");
  EXPECT_EQ(normalized("/a%2f..%2Fb", merge), "/b");
}

TEST(HttpHeadWriter, WritesOverSeveralBuffers) {
  Buffers buffers(4, 1, 1);
  HeadWriter writer(buffers);
  std::string expected;
  for (uint64_t i = 0; i < 700; ++i) {
    writer << "x-" << i << "\r\n";
    expected += "x-" + std::to_string(i) + "\r\n";
  }
  const tcp::ByteQueue written = writer.finish();
  std::string text(written.bytes(), ' ');
  written.peek(reinterpret_cast<uint8_t*>(text.data()), written.bytes());
  EXPECT_EQ(text, expected);
}

TEST(HttpHeadWriter, GivesNothingWhenBuffersRunOut) {
  Buffers buffers(1, 1, 1);
  HeadWriter writer(buffers);
  writer << std::string(Buffers::kSmallCapacity + 1, 'x');
  EXPECT_TRUE(writer.finish().empty());
  EXPECT_EQ(buffers.small.in_use(), 0u);
  writer << "again";
  EXPECT_EQ(writer.finish().bytes(), 5u);
}

}  // namespace
}  // namespace flatproxy::http
