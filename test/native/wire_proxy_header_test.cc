#include <gtest/gtest.h>

#include <string>

#include "wire/proxy_header.h"

namespace flatproxy::wire {
namespace {

ProxyParse parse(const std::string& text, ProxyHeader& header, uint32_t& size) {
  // A buffer of its own, so that a sanitizer sees a byte too many.
  const std::vector<uint8_t> bytes(text.begin(), text.end());
  return parse_proxy_header(bytes, header, size);
}
ProxyParse parse(const std::string& text) {
  ProxyHeader header;
  uint32_t size = 0;
  return parse(text, header, size);
}

ProxyHeader header_of(const char* source, uint16_t source_port, const char* destination, uint16_t destination_port) {
  return {false, *Address::parse(source), *Address::parse(destination), source_port, destination_port};
}

MutableBytes wire_span(uint8_t (&out)[kProxyV1MaxSize]) { return {out, sizeof(out)}; }

const std::string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

TEST(ProxyHeaderTest, ReadsALineOfVersion1) {
  const std::string line = "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";
  ProxyHeader header;
  uint32_t size = 0;
  EXPECT_EQ(parse(line + "GET / HTTP/1.1\r\n", header, size), ProxyParse::complete);
  EXPECT_EQ(size, line.size());
  EXPECT_EQ(header, header_of("192.0.2.1", 56324, "198.51.100.7", 443));
  EXPECT_EQ(parse("PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n", header, size), ProxyParse::complete);
  EXPECT_EQ(header, header_of("2001:db8::1", 1, "2001:db8::2", 65535));
  EXPECT_EQ(parse("PROXY UNKNOWN anything at all\r\n", header, size), ProxyParse::complete);
  EXPECT_TRUE(header.local);
}

TEST(ProxyHeaderTest, WaitsForTheRest) {
  ProxyHeader header = header_of("192.0.2.1", 56324, "198.51.100.7", 443);
  uint8_t out[kProxyV1MaxSize];
  for (auto* emit : {&emit_proxy_v1, &emit_proxy_v2}) {
    const uint32_t n = (*emit)(header, wire_span(out));
    const std::string whole(reinterpret_cast<char*>(out), n);
    for (uint32_t cut = 0; cut < n; ++cut) EXPECT_EQ(parse(whole.substr(0, cut)), ProxyParse::incomplete) << cut;
    EXPECT_EQ(parse(whole), ProxyParse::complete);
  }
}

TEST(ProxyHeaderTest, RefusesWhatIsNoHeader) {
  for (const char* text :
       {"GET / HTTP/1.1\r\n", "PROXX", "proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n", "PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n", "PROXY TCP4 1.1.1.1  2.2.2.2 1 2\r\n", "PROXY TCP4 ::1 ::2 1 2\r\n",
        "PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n", "PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n", "PROXY TCP4 1.1.1.1 2.2.2.2 -1 2\r\n",
        "PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n", "PROXY TCP4 1.1.1.300 2.2.2.2 1 2\r\n", "PROXY \r\n"}) {
    EXPECT_EQ(parse(text), ProxyParse::invalid) << text;
  }
  EXPECT_EQ(parse("PROXY UNKNOWN " + std::string(200, 'x')), ProxyParse::invalid) << "no end within 107 bytes";
  EXPECT_EQ(parse(kSignature + std::string("\x11\x11\0\x0c", 4)), ProxyParse::invalid) << "version 1 in binary";
  EXPECT_EQ(parse(kSignature + std::string("\x22\x11\0\x0c", 4)), ProxyParse::invalid) << "an unknown command";
  EXPECT_EQ(parse(kSignature + std::string("\x21\x11\0\x04"
                                           "abcd",
                                           8)),
            ProxyParse::invalid)
      << "too short for its family";
  EXPECT_EQ(parse(kSignature + std::string("\x21\x11\xff\xff", 4)), ProxyParse::invalid) << "longer than the limit";
}

TEST(ProxyHeaderTest, WritesWhatItReads) {
  for (const ProxyHeader& header :
       {header_of("192.0.2.1", 1, "198.51.100.7", 443), header_of("2001:db8::1", 7, "::2", 80),
        ProxyHeader{.local = true, .source = {}, .destination = {}}}) {
    uint8_t out[kProxyV1MaxSize];
    for (auto* emit : {&emit_proxy_v1, &emit_proxy_v2}) {
      const uint32_t n = (*emit)(header, wire_span(out));
      ProxyHeader read;
      uint32_t size = 0;
      EXPECT_EQ(parse_proxy_header({out, n}, read, size), ProxyParse::complete);
      EXPECT_EQ(size, n);
      EXPECT_EQ(read, header);
    }
  }
}

TEST(ProxyHeaderTest, PassesOverExtensions) {
  const std::string addresses("\x0a\0\0\x01\x0a\0\0\x02\x10\0\0\x50", 12);
  const std::string extension("\x01\0\x02h2", 5);
  ProxyHeader header;
  uint32_t size = 0;
  EXPECT_EQ(parse(kSignature + std::string("\x21\x11\0\x11", 4) + addresses + extension + "x", header, size),
            ProxyParse::complete);
  EXPECT_EQ(size, 16u + 17);
  EXPECT_EQ(header, header_of("10.0.0.1", 4096, "10.0.0.2", 80));
}

}  // namespace
}  // namespace flatproxy::wire
