// Every script in test/packetdrill/scripts, run by this project's own runner: the same scripts run under packetdrill.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "runner/runner.h"

namespace flatproxy::packetdrill {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> scripts() {
  std::vector<std::string> names;
  const fs::path folder = FLATPROXY_SCRIPTS;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().extension() == ".pkt") names.push_back(fs::relative(entry.path(), folder).string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string text_of(const std::string& name) {
  std::ifstream file(fs::path(FLATPROXY_SCRIPTS) / name);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class TcpScript : public ::testing::TestWithParam<std::string> {};

TEST_P(TcpScript, Runs) { EXPECT_EQ(run(Script::parse(text_of(GetParam()))), ""); }

// The same over IPv6, where the MSS is 20 bytes less for the same MTU: 1520 bytes make it the same.
TEST_P(TcpScript, RunsOverIpv6) {
  Script script = Script::parse(text_of(GetParam()));
  for (const ScriptEvent& event : script.events) {
    if (std::holds_alternative<ScriptTooBig>(event.what)) GTEST_SKIP() << "quotes an IPv4 MTU";
  }
  if (GetParam().find("no-options") != std::string::npos) GTEST_SKIP() << "the default MSS is another";
  script.ipv6 = true;
  script.so_flags += script.so_flags.empty() ? "mtu=1520" : ",mtu=1520";
  EXPECT_EQ(run(script), "");
}

std::string name_of(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param.substr(0, info.param.size() - 4);
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, TcpScript, ::testing::ValuesIn(scripts()), name_of);

// A runner that accepts everything would prove nothing.
TEST(TcpScriptRunner, SeesWhatIsOtherwise) {
  const std::string begin =
      "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 bind(3, ..., ...) = 0\n+0 listen(3, 1) = 0\n"
      "+0 < S 0:0(0) win 65535 <mss 1000>\n";
  const std::string answer = "+0 > S. 0:0(0) ack 1 <mss 1460>\n";
  const auto complaint = [&](const std::string& rest) { return run(Script::parse(begin + rest)); };
  EXPECT_EQ(complaint(answer), "");
  EXPECT_NE(complaint("+0 > S. 0:0(0) ack 2 <mss 1460>\n").find("acknowledgment"), std::string::npos);
  EXPECT_NE(complaint("+0 > S. 0:0(0) ack 1 <mss 1461>\n").find("options"), std::string::npos);
  EXPECT_NE(complaint("+0 > . 0:0(0) ack 1 <mss 1460>\n").find("flags"), std::string::npos);
  EXPECT_NE(complaint("+0 > S. 0:0(0) ack 1 win 1 <mss 1460>\n").find("window"), std::string::npos);
  EXPECT_NE(complaint("+.1 > S. 0:0(0) ack 1 <mss 1460>\n").find("expected after"), std::string::npos);
  EXPECT_NE(complaint(answer + "+.5 > S. 0:0(0) ack 1 <mss 1460>\n").find("none was sent"), std::string::npos);
  EXPECT_NE(complaint("").find("not in the script"), std::string::npos);
  EXPECT_NE(complaint(answer + "+0 accept(3, ..., ...) = 4\n").find("accept returned"), std::string::npos);
  EXPECT_NE(complaint(answer + "+0...0.1 accept(3, ..., ...) = 4\n").find("has not returned"), std::string::npos);
  EXPECT_THROW(Script::parse("+0 < Q 0:0(0)\n"), std::runtime_error);
}

}  // namespace
}  // namespace flatproxy::packetdrill
