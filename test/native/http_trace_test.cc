// Traces: what is a traceparent, and which requests begin one (W3C Trace Context).
#include "http/trace_context.h"

#include <set>

#include "packet/random.h"
#include "support/http_rig.h"

namespace flatproxy::test {
namespace {

using http::trace_id;
using http::TraceParent;

constexpr std::string_view kId = "0af7651916cd43dd8448eb211c80319c";

TEST(TraceContext, TakesWhatTheSpecificationTakes) {
  // clang-format off
  constexpr std::pair<const char*, bool> kValues[] = {
      // Section 3.2.4, examples.
      {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",       true},
      {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",       true},
      // Flags that version 00 does not know.
      {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff",       true},
      // Section 4.3: higher versions, by what is known of them.
      {"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",       true},
      {"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-will-be-like", true},
      {"01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",      true},
      {"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.what",  false},
      {"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-011",      false},
      {"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",        false},
      // Version ff is none; version 00 has nothing behind it.
      {"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",       false},
      {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",      false},
      {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what",  false},
      {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-011",      false},
      {"0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",        false},
      {"000-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",      false},
      {".0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",       false},
      // Ids of zeros alone.
      {"00-00000000000000000000000000000000-b7ad6b7169203331-01",       false},
      {"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",       false},
      {"00-00000000000000000000000000000001-0000000000000001-01",       true},
      // Capitals, other characters, other lengths.
      {"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",       false},
      {"00-0af7651916cd43dd8448eb211c80319c-B7AD6B7169203331-01",       false},
      {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0A",       false},
      {"CC-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",       false},
      {"00-0af7651916cd43dd8448eb211c80319.-b7ad6b7169203331-01",       false},
      {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333.-01",       false},
      {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-.1",       false},
      {"00-0af7651916cd43dd8448eb211c80319-b7ad6b71692033311-01",       false},
      {"00-0af7651916cd43dd8448eb211c80319cb-7ad6b7169203331-01",       false},
      {"00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",       false},
      {"00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",       false},
      {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331_01",       false},
      {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",          false},
      {"00-0af7651916cd43dd8448eb211c80319c",                           false},
      {"00",                                                            false},
      {"",                                                              false},
  };
  // clang-format on
  for (const auto& [value, valid] : kValues) EXPECT_EQ(trace_id(value).has_value(), valid) << value;
  EXPECT_EQ(trace_id(kValues[0].first), kId);
  EXPECT_EQ(trace_id(kValues[4].first), kId);
}

TEST(TraceContext, WritesWhatItTakes) {
  const TraceParent fixed{{0x0af7651916cd43dd, 0x8448eb211c80319c}, 0x00ad6b7169203331};
  const TraceParent::Text text = fixed.text();
  EXPECT_EQ(std::string_view(text.data(), text.size()), "00-0af7651916cd43dd8448eb211c80319c-00ad6b7169203331-01");
  const TraceParent::Text zeros = TraceParent::begin([] { return uint64_t{0}; }).text();
  EXPECT_TRUE(trace_id({zeros.data(), zeros.size()}));
}

TEST(Random, DoesNotRepeatItself) {
  std::set<uint64_t> drawn;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    uint64_t next = seed;
    Random random([&next] { return next++; });
    for (int i = 0; i < 1'000; ++i) drawn.insert(random());
  }
  EXPECT_EQ(drawn.size(), 10'000u);
}

struct HttpTraceTest : HttpRig {
  /// What reaches a server of a request with these fields.
  std::string passed(const std::string& fields) {
    tcp::Connection& client = open_client();
    tcp::Connection& server = ask(client, "GET / HTTP/1.1\r\nHost: shop\r\n" + fields + "\r\n");
    const std::string request = read(server);
    send(server, kOk);
    EXPECT_EQ(read(client), kOk);
    const std::string begin = "GET / HTTP/1.1\r\nHost: shop\r\n";
    EXPECT_EQ(request.substr(0, begin.size()), begin);
    return request.substr(begin.size(), request.size() - begin.size() - 2);
  }
  const std::string valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
  const std::string first = "traceparent: 00-00000000000001010000000000000200-0000000000000301-01\r\n";
};

TEST_F(HttpTraceTest, PassesTracesOnAsTheyCome) {
  make();
  for (const std::string& fields :
       {std::string(), "Traceparent: " + valid + "\r\nTracestate: a=b\r\nTracestate: c=d\r\n",
        std::string("traceparent: nonsense\r\ntracestate: a=b\r\n"), std::string("tracestate: a=b\r\n")}) {
    EXPECT_EQ(passed(fields), fields);
  }
  EXPECT_EQ(policy.drawn, 0u);
  expect_nothing_left();
}

TEST_F(HttpTraceTest, BeginsOneWhereThereIsNone) {
  settings.trace = HttpSettings::Trace::start;
  make();
  EXPECT_EQ(passed("X: y\r\n"), "X: y\r\n" + first);
  EXPECT_EQ("traceparent: " + log.entries.back().text(ExchangeText::traceparent) + "\r\n", first);
  EXPECT_EQ(passed("tracestate: a=b\r\nX: y\r\n").substr(0, 19), "X: y\r\ntraceparent: ");
  EXPECT_EQ(policy.drawn, 6u);
  expect_nothing_left();
}

TEST_F(HttpTraceTest, KeepsAValidOne) {
  settings.trace = HttpSettings::Trace::start;
  make();
  for (const std::string& fields : {"TraceParent: " + valid + "\r\ntracestate: a=b\r\ntracestate: c=d\r\n",
                                    "traceparent: 01" + valid.substr(2) + "-more\r\n"}) {
    EXPECT_EQ(passed(fields), fields);
    const std::string& told = log.entries.back().text(ExchangeText::traceparent);
    EXPECT_EQ(fields.substr(13, told.size()), told);
  }
  EXPECT_EQ(policy.drawn, 0u);
  expect_nothing_left();
}

TEST_F(HttpTraceTest, BeginsOneInPlaceOfWhatIsNone) {
  settings.trace = HttpSettings::Trace::start;
  for (const std::string& fields : {"traceparent: ff" + valid.substr(2) + "\r\nTraceState: a=b\r\ntracestate: c=d\r\n",
                                    "traceparent: " + valid + "\r\nTraceparent: " + valid + "\r\ntracestate: a=b\r\n",
                                    std::string("traceparent:\r\ntracestate: a=b\r\n")}) {
    policy.drawn = 0;
    make();
    EXPECT_EQ(passed(fields), first) << fields;
    expect_nothing_left();
  }
}

TEST_F(HttpTraceTest, LetsARuleSayOtherwise) {
  settings.trace = HttpSettings::Trace::start;
  rule().request = {{{"traceparent", "mine"}}, {}, {"tracestate"}};
  make();
  EXPECT_EQ(passed("traceparent: " + valid + "\r\ntracestate: a=b\r\n"), "traceparent: mine\r\n");
  EXPECT_EQ(passed(""), "traceparent: mine\r\n");
  expect_nothing_left();
}

TEST_F(HttpTraceTest, KeepsItsIdsWhenARequestIsSentAgain) {
  settings.trace = HttpSettings::Trace::start;
  rule().retry = RetrySettings{.attempts = 1, .codes = {503}};
  make();
  tcp::Connection& client = open_client();
  tcp::Connection& server = ask(client);
  const std::string once = read(server);
  EXPECT_NE(once.find(first), std::string::npos) << once;
  send(server, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
  run(kSecond);
  ASSERT_FALSE(servers.empty());
  EXPECT_EQ(read(*servers.back()), once);
  send(*servers.back(), kOk);
  EXPECT_EQ(read(client), kOk);
  expect_nothing_left();
}

}  // namespace
}  // namespace flatproxy::test
