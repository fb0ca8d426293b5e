#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "lane/exchange_ring.h"
#include "log/log_file.h"
#include "log/log_format.h"
#include "log/log_writer.h"
#include "packet/error.h"
#include "stats/histogram.h"

namespace flatproxy {
namespace {

constexpr Nanoseconds kMillisecond = 1'000'000;

ExchangeRecord record(std::string_view target = "/cart?id=1") {
  ExchangeRecord record;
  record.began = 5 * kMillisecond;
  record.answered = 6 * kMillisecond;
  record.ended = 7 * kMillisecond + 2'500;
  record.bytes_up = 3;
  record.bytes_down = 512;
  record.client = *wire::Address::parse("fd00::9");
  record.client_port = 40312;
  record.endpoint = *wire::Address::parse("10.0.1.2");
  record.endpoint_port = 8080;
  record.status = 200;
  record.tries = 2;
  record.logged = true;
  record.text(ExchangeText::listener) = "web";
  record.text(ExchangeText::route) = "shop";
  record.text(ExchangeText::service) = "cart";
  record.text(ExchangeText::method) = "POST";
  record.text(ExchangeText::authority) = "shop.example";
  record.text(ExchangeText::target) = target;
  record.text(ExchangeText::user_agent) = "curl/8";
  return record;
}

std::string line(const std::string& format, const ExchangeRecord& of) {
  std::string out;
  LogFormat(format).write(of, 0, out);
  return out;
}

struct Folder {
  Folder() {
    char name[] = "/tmp/flatproxy-log-XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string read(const std::string& file) const {
    std::stringstream text;
    text << std::ifstream(path + "/" + file).rdbuf();
    return text.str();
  }
  std::string path;
};

TEST(AccessLogFormat, JsonHasEveryField) {
  EXPECT_EQ(line("json", record()),
            R"({"time":"1970-01-01T00:00:00.005000Z","listener":"web","route":"shop","service":"cart",)"
            R"("endpoint":"10.0.1.2:8080","client":"[fd00::9]:40312","method":"POST","host":"shop.example",)"
            R"("path":"/cart?id=1","protocol":"HTTP/1.1","status":200,"outcome":"completed","flags":null,"tries":2,)"
            R"("bytesIn":3,"bytesOut":512,"duration":2.002,"firstByte":1.000,"userAgent":"curl/8","referer":null,)"
            R"("forwardedFor":null,"requestId":null,"traceparent":null})"
            "\n");
}

TEST(AccessLogFormat, SaysNullWhereThereIsNothing) {
  ExchangeRecord refused;
  refused.outcome = http::Outcome::bad_request;
  refused.client = *wire::Address::parse("10.0.0.9");
  EXPECT_EQ(line("%method% %path% %protocol% %status% %endpoint% %firstByte% %flags%", refused), "- - - - - - DPE\n");
  EXPECT_NE(line("json", refused).find(R"("method":null,"host":null,"path":null,"protocol":null,"status":null)"),
            std::string::npos);
}

TEST(AccessLogFormat, PutsFieldsIntoText) {
  EXPECT_EQ(line("%client% \"%method% %path%\" %status% 100%%", record()),
            "[fd00::9]:40312 \"POST /cart?id=1\" 200 100%\n");
  EXPECT_EQ(line("plain", record()), "plain\n");
}

TEST(AccessLogFormat, NothingFromOutsideEndsALineOrAText) {
  const ExchangeRecord hostile = record("/\"\\\x80\n");
  EXPECT_EQ(line("%path%", hostile), "/\\x22\\x5c\\x80\\x0a\n");
  EXPECT_NE(line("json", hostile).find(R"("path":"/\"\\\u0080\u000a")"), std::string::npos);
}

TEST(AccessLogFormat, RefusesFieldsThatThereAreNot) {
  EXPECT_THROW(LogFormat("%nothing%"), Error);
  EXPECT_THROW(LogFormat("%status"), Error);
  for (uint32_t i = 0; i < kLogFields; ++i) {
    const char* name = name_of(static_cast<LogField>(i));
    EXPECT_EQ(log_field_of(name), static_cast<LogField>(i)) << name;
  }
}

TEST(ExchangeRing, BringsRecordsInTheirOrderAcrossItsEnd) {
  ExchangeRing ring;
  for (uint32_t i = 0; i < 20'000; ++i) {
    const std::string target(1 + i % 1'500, static_cast<char>('a' + i % 26));
    ExchangeRecord sent = record(target);
    sent.bytes_up = i;
    ring.push(sent);
    ASSERT_TRUE(ring.pop([&](const ExchangeRecord& got) {
      EXPECT_EQ(got.bytes_up, i);
      EXPECT_EQ(got.text(ExchangeText::target), target);
      EXPECT_EQ(got.text(ExchangeText::route), "shop");
    }));
  }
  EXPECT_FALSE(ring.pop([](const ExchangeRecord&) {}));
  EXPECT_EQ(ring.lost(), 0u);
}

TEST(ExchangeRing, LosesWhatFindsNoRoomAndSaysSo) {
  ExchangeRing ring;
  const std::string target(1'000, 'x');
  uint32_t pushed = 0;
  for (; ring.lost() == 0; ++pushed) ring.push(record(target));
  EXPECT_GT(pushed, 500u);
  EXPECT_EQ(ring.lost_logged(), 1u);
  uint32_t popped = 0;
  while (ring.pop([](const ExchangeRecord&) {})) ++popped;
  EXPECT_EQ(popped, pushed - 1);
}

TEST(ExchangeRing, CutsLongTexts) {
  ExchangeRing ring;
  ring.push(record(std::string(10'000, 'x')));
  ring.pop([](const ExchangeRecord& got) {
    EXPECT_EQ(got.text(ExchangeText::target).size(), ExchangeRing::kLongestText);
    EXPECT_EQ(got.text(ExchangeText::user_agent), "curl/8");
  });
}

TEST(AccessLogFile, GoesOnInANewFileWhenItIsReopened) {
  const Folder folder;
  const std::string path = folder.path + "/access.log";
  LogFile file(path);
  EXPECT_EQ(file.write("one\n"), 0u);
  std::filesystem::rename(path, folder.path + "/old.log");
  EXPECT_EQ(file.write("two\n"), 0u);
  file.reopen();
  EXPECT_EQ(file.write("three\n"), 0u);
  EXPECT_EQ(folder.read("old.log"), "one\ntwo\n");
  EXPECT_EQ(folder.read("access.log"), "three\n");
}

TEST(AccessLogFile, StaysInTheOldFileWhenThereIsNoNewOne) {
  const Folder folder;
  std::filesystem::create_directory(folder.path + "/logs");
  LogFile file(folder.path + "/logs/access.log");
  std::filesystem::rename(folder.path + "/logs", folder.path + "/moved");
  EXPECT_THROW(file.reopen(), Error);
  EXPECT_EQ(file.write("kept\n"), 0u);
  EXPECT_EQ(folder.read("moved/access.log"), "kept\n");
}

TEST(AccessLogFile, NeverWaitsForAReaderAndCountsWhatItLoses) {
  const Folder folder;
  const std::string path = folder.path + "/pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_THROW(LogFile{path}, Error);
  const Fd reader(open(path.c_str(), O_RDONLY | O_NONBLOCK));
  LogFile file(path);
  const std::string lines = std::string(999, 'x') + "\n" + std::string(999, 'y') + "\n";
  uint64_t lost = 0;
  for (int i = 0; i < 1'000; ++i) lost += file.write(lines);
  EXPECT_GT(lost, 0u);
  // What was taken comes whole once there is room.
  std::string got;
  std::vector<char> buffer(1 << 16);
  for (ssize_t n = 0; (n = ::read(reader.get(), buffer.data(), buffer.size())) > 0;) {
    got.append(buffer.data(), static_cast<size_t>(n));
    file.write("");
  }
  EXPECT_EQ(got.size(), (2'000 - lost) * 1'000);
}

struct Writer {
  Writer() { writer.set(std::make_unique<LogTarget>(AccessLogSettings{folder.path + "/log", "%path%", 1.0})); }
  void push(std::string_view target, bool logged = true) {
    ExchangeRecord told = record(target);
    told.logged = logged;
    ring.push(told);
  }
  Folder folder;
  ExchangeRing ring;
  LogWriter writer{{&ring}};
};

TEST(AccessLogWriter, WritesWhatIsForTheLogAndTellsWhoListens) {
  Writer w;
  w.push("/a");
  w.push("/b", false);
  EXPECT_TRUE(w.writer.pass());
  EXPECT_FALSE(w.writer.pass());
  EXPECT_EQ(w.folder.read("log"), "/a\n");
  EXPECT_EQ(w.writer.take_heard().lines, "");
  w.writer.listen(true);
  w.push("/c", false);
  w.writer.pass();
  EXPECT_NE(w.writer.take_heard().lines.find(R"("path":"/c")"), std::string::npos);
  EXPECT_EQ(w.folder.read("log"), "/a\n");
  EXPECT_EQ(w.writer.totals().written, 1u);
}

TEST(AccessLogWriter, WhoListensSlowlyLosesAndTheLogDoesNot) {
  Writer w;
  w.writer.listen(true);
  for (int i = 0; i < 1'000; ++i) {
    w.push("/x");
    w.writer.pass();
  }
  const LogWriter::Heard heard = w.writer.take_heard();
  EXPECT_EQ(std::count(heard.lines.begin(), heard.lines.end(), '\n') + static_cast<long>(heard.lost), 1'000);
  EXPECT_GT(heard.lost, 0u);
  EXPECT_EQ(w.writer.totals().written, 1'000u);
  EXPECT_EQ(w.writer.totals().lost, 0u);
}

TEST(AccessLogWriter, TellsLossesOfLanesToThoseWhoListened) {
  Writer w;
  const std::string target(2'000, 'x');
  const auto overflow = [&] {
    for (const uint64_t before = w.ring.lost(); w.ring.lost() == before;) w.push(target, false);
    while (w.writer.pass()) {
    }
  };
  overflow();
  w.writer.listen(true);
  EXPECT_EQ(w.writer.take_heard().lost, 0u);
  overflow();
  const uint64_t heard_lost = w.writer.take_heard().lost;
  EXPECT_GT(heard_lost, 0u);
  w.writer.listen(false);
  overflow();
  EXPECT_EQ(w.writer.take_heard().lost, heard_lost);
  EXPECT_EQ(w.writer.totals().lost, 0u);
}

TEST(Histogram, KnowsADurationToASixteenth) {
  uint32_t last = 0;
  for (uint64_t us = 0; us < (uint64_t{1} << 30); us += 1 + us / 100) {
    const uint32_t bucket = histogram::bucket_of(us * 1000);
    const uint64_t end = histogram::end_of(bucket);
    ASSERT_GE(bucket, last);
    ASSERT_GT(end, us);
    ASSERT_LE(end - us, std::max<uint64_t>(1, us / 16 + 1)) << us;
    last = bucket;
  }
  EXPECT_EQ(histogram::bucket_of(Nanoseconds{1} << 62), histogram::kBuckets - 1);
  for (uint32_t i = 1; i < histogram::kBuckets; ++i) {
    ASSERT_EQ(histogram::bucket_of(histogram::end_of(i - 1) * 1000), i);
    ASSERT_EQ(histogram::bucket_of(histogram::end_of(i) * 1000 - 1), i);
  }
}

}  // namespace
}  // namespace flatproxy
