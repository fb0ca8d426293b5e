#include "script.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <sstream>
#include <stdexcept>

namespace flatproxy::packetdrill {
namespace {

/// Reads one line from left to right.
class Line {
 public:
  Line(int number, const std::string& text) : number_(number), text_(text) {}

  [[noreturn]] void fail(const std::string& what) const {
    throw std::runtime_error("line " + std::to_string(number_) + ": " + what + ": " + text_);
  }
  void skip_blanks() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  }
  bool at_end() {
    skip_blanks();
    return at_ == text_.size();
  }
  char peek() {
    skip_blanks();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool take(const std::string& word) {
    skip_blanks();
    if (text_.compare(at_, word.size(), word) != 0) return false;
    at_ += word.size();
    return true;
  }
  void expect(const std::string& word) {
    if (!take(word)) fail("expected '" + word + "'");
  }
  bool next_is_number() {
    const char c = peek();
    return std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '.';
  }
  double decimal() {
    skip_blanks();
    size_t end = at_;
    // "0...0.1" is two numbers.
    while (end < text_.size() && (std::isdigit(static_cast<unsigned char>(text_[end])) != 0 || text_[end] == '.')) {
      if (text_.compare(end, 3, "...") == 0) break;
      ++end;
    }
    if (end == at_) fail("expected a number");
    const double value = std::stod(text_.substr(at_, end - at_));
    at_ = end;
    return value;
  }
  uint32_t number() {
    skip_blanks();
    size_t end = at_;
    while (end < text_.size() && std::isdigit(static_cast<unsigned char>(text_[end])) != 0) ++end;
    if (end == at_) fail("expected a number");
    const auto value = static_cast<uint32_t>(std::stoul(text_.substr(at_, end - at_)));
    at_ = end;
    return value;
  }
  std::string word() {
    skip_blanks();
    const size_t begin = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '_')) ++at_;
    return text_.substr(begin, at_ - begin);
  }
  /// Everything up to the matching closing bracket of one that was taken.
  std::string until_closed(char open, char close) {
    const size_t begin = at_;
    for (int depth = 1; at_ < text_.size(); ++at_) {
      if (text_[at_] == open) ++depth;
      if (text_[at_] == close && --depth == 0) return text_.substr(begin, at_++ - begin);
    }
    fail(std::string("no '") + close + "'");
  }

 private:
  int number_;
  const std::string& text_;
  size_t at_ = 0;
};

int64_t microseconds(double seconds) { return std::llround(seconds * 1e6); }

uint8_t flags_of(Line& line) {
  uint8_t flags = 0;
  for (;;) {
    if (line.take("S")) flags |= wire::kSyn;
    else if (line.take("F")) flags |= wire::kFin;
    else if (line.take("R")) flags |= wire::kRst;
    else if (line.take("P")) flags |= wire::kPsh;
    else if (line.take("U")) flags |= wire::kUrg;
    else if (line.take("E")) flags |= wire::kEce;
    else if (line.take("W")) flags |= wire::kCwr;
    else if (line.take(".")) flags |= wire::kAck;
    else if (line.take("-")) return flags;
    else return flags;
  }
}

void read_option(Line& line, wire::TcpOptions& options) {
  if (line.take("mss")) {
    options.mss = static_cast<uint16_t>(line.number());
  } else if (line.take("sackOK")) {
    options.sack_permitted = true;
  } else if (line.take("sack")) {
    while (line.next_is_number() && options.sack_count < options.sack.size()) {
      wire::SackBlock& block = options.sack[options.sack_count++];
      block.begin = line.number();
      line.expect(":");
      block.end = line.number();
    }
  } else if (line.take("wscale")) {
    options.window_scale = static_cast<uint8_t>(line.number());
  } else if (line.take("TS")) {
    wire::TcpTimestamps times;
    line.expect("val");
    times.value = line.number();
    line.expect("ecr");
    times.echo = line.number();
    options.timestamps = times;
  } else if (!line.take("nop") && !line.take("eol")) {
    line.fail("unknown option");
  }
}

ScriptSegment read_segment(Line& line, bool outbound) {
  ScriptSegment s;
  s.outbound = outbound;
  if (line.take("[")) {
    const std::string ecn = line.until_closed('[', ']');
    s.ecn = static_cast<uint8_t>(ecn == "ect0" ? 2 : ecn == "ect1" ? 1 : ecn == "ce" ? 3 : 0);
  }
  s.flags = flags_of(line);
  s.begin = line.number();
  line.expect(":");
  const uint32_t end = line.number();
  line.expect("(");
  s.length = line.number();
  line.expect(")");
  if (s.begin + s.length != end) line.fail("the length does not fit");
  if (line.take("ack")) s.ack = line.number();
  if (line.take("win")) s.window = static_cast<uint16_t>(line.number());
  if (line.take("urg")) line.number();
  if (line.take("<")) {
    if (line.take("...")) {
      s.any_options = true;
      line.expect(">");
    } else {
      do read_option(line, s.options);
      while (line.take(","));
      line.expect(">");
    }
  }
  return s;
}

// "icmp unreachable frag_needed mtu 1200 [1:1461(1460)]", "icmp packet_too_big mtu 1300 [...]"
ScriptTooBig read_too_big(Line& line) {
  ScriptTooBig t;
  if (line.take("unreachable")) {
    line.expect("frag_needed");
  } else {
    line.expect("packet_too_big");
  }
  line.expect("mtu");
  t.mtu = static_cast<uint16_t>(line.number());
  line.expect("[");
  t.sequence = line.number();
  return t;
}

ScriptCall read_call(Line& line) {
  ScriptCall call;
  call.name = line.word();
  line.expect("(");
  std::string arguments = line.until_closed('(', ')');
  int depth = 0;
  std::string one;
  for (const char c : arguments + ",") {
    if (c == ',' && depth == 0) {
      one.erase(0, one.find_first_not_of(" \t"));
      one.erase(one.find_last_not_of(" \t") + 1);
      call.arguments.push_back(std::exchange(one, {}));
      continue;
    }
    depth += (c == '[' || c == '{' || c == '(') - (c == ']' || c == '}' || c == ')');
    one += c;
  }
  line.expect("=");
  const bool negative = line.take("-");
  call.result = line.number();
  if (negative) call.result = -call.result;
  if (negative && line.peek() == 'E') call.error = line.word();
  return call;
}

// The time in front of an event, relative to the one before it unless it is absolute.
void read_time(Line& line, int64_t previous_us, ScriptEvent& event, bool& blocks) {
  if (line.take("*")) {
    event.begin_us = event.end_us = previous_us;
    event.any_time = true;
    return;
  }
  const bool relative = line.take("+");
  const int64_t base = relative ? previous_us : 0;
  event.begin_us = event.end_us = base + microseconds(line.decimal());
  if (line.take("~")) {
    line.take("+");
    event.end_us = base + microseconds(line.decimal());
  } else if (line.take("...")) {
    // The end of a blocking call: relative to the same as its beginning.
    event.end_us = base + microseconds(line.decimal());
    blocks = true;
  }
}

void read_flag(Script& script, const std::string& text) {
  const auto value = [&](const std::string& name) -> std::optional<std::string> {
    if (!text.starts_with(name + "=")) return std::nullopt;
    std::string found = text.substr(name.size() + 1);
    std::erase(found, '"');
    return found;
  };
  if (const auto flags = value("--so_flags")) script.so_flags = *flags;
  if (const auto version = value("--ip_version")) script.ipv6 = *version == "ipv6";
  if (const auto tolerance = value("--tolerance_usecs")) script.tolerance_us = std::stoll(*tolerance);
}

std::string without_comment(const std::string& text) {
  const size_t comment = text.find("//");
  std::string code = text.substr(0, comment);
  code.erase(code.find_last_not_of(" \t\r") + 1);
  return code;
}

}  // namespace

Script Script::parse(const std::string& text) {
  Script script;
  std::istringstream lines(text);
  std::string raw;
  int64_t previous_us = 0;
  for (int number = 1; std::getline(lines, raw); ++number) {
    const std::string code = without_comment(raw);
    Line line(number, code);
    if (line.at_end()) continue;
    if (line.peek() == '-' && code.find("--") != std::string::npos && script.events.empty()) {
      read_flag(script, code.substr(code.find("--")));
      continue;
    }
    ScriptEvent event;
    event.line = number;
    bool blocks = false;
    read_time(line, previous_us, event, blocks);
    previous_us = event.begin_us;
    if (line.take("<")) {
      if (line.take("icmp")) {
        event.what = read_too_big(line);
      } else {
        event.what = read_segment(line, false);
      }
    } else if (line.take(">")) {
      event.what = read_segment(line, true);
    } else {
      ScriptCall call = read_call(line);
      call.blocks = blocks;
      event.what = call;
    }
    script.events.push_back(std::move(event));
  }
  return script;
}

}  // namespace flatproxy::packetdrill
