#include "runner.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <map>
#include <stdexcept>

#include "host/socket_host.h"
#include "packets.h"

namespace flatproxy::packetdrill {
namespace {

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what); }

int constant(const std::string& word) {
  static const std::map<std::string, int> known{
      {"AF_INET", AF_INET},
      {"AF_INET6", AF_INET6},
      {"SOCK_STREAM", SOCK_STREAM},
      {"IPPROTO_TCP", IPPROTO_TCP},
      {"SOL_TCP", IPPROTO_TCP},
      {"SOL_SOCKET", SOL_SOCKET},
      {"SOL_IP", IPPROTO_IP},
      {"SO_REUSEADDR", SO_REUSEADDR},
      {"SO_SNDBUF", SO_SNDBUF},
      {"SO_ERROR", SO_ERROR},
      {"SO_LINGER", SO_LINGER},
      {"TCP_NODELAY", TCP_NODELAY},
      {"TCP_CORK", TCP_CORK},
      {"TCP_MAXSEG", TCP_MAXSEG},
      {"TCP_USER_TIMEOUT", TCP_USER_TIMEOUT},
      {"IP_TOS", IP_TOS},
      {"SHUT_RD", SHUT_RD},
      {"SHUT_WR", SHUT_WR},
      {"SHUT_RDWR", SHUT_RDWR},
      {"F_SETFL", F_SETFL},
      {"F_GETFL", F_GETFL},
      {"O_RDWR", O_RDWR},
      {"O_NONBLOCK", O_NONBLOCK},
      {"MSG_MORE", MSG_MORE},
      {"POLLIN", POLLIN},
      {"POLLOUT", POLLOUT},
  };
  int value = 0;
  for (size_t begin = 0; begin <= word.size();) {
    const size_t end = std::min(word.find('|', begin), word.size());
    const std::string one = word.substr(begin, end - begin);
    const auto found = known.find(one);
    value |= found != known.end() ? found->second : std::stoi(one);
    begin = end + 1;
  }
  return value;
}

int error_number(const std::string& name) {
  static const std::map<std::string, int> known{
      {"EAGAIN", EAGAIN},           {"EINPROGRESS", EINPROGRESS}, {"EPIPE", EPIPE},       {"ECONNRESET", ECONNRESET},
      {"ECONNREFUSED", ECONNREFUSED}, {"ETIMEDOUT", ETIMEDOUT},   {"ENOTCONN", ENOTCONN}, {"EHOSTUNREACH", EHOSTUNREACH},
      {"EFAULT", EFAULT},           {"EINVAL", EINVAL},           {"EBADF", EBADF},       {"EALREADY", EALREADY},
      {"EISCONN", EISCONN}};
  const auto found = known.find(name);
  return found == known.end() ? fail("an error that is not known: " + name), 0 : found->second;
}

/// One script's run: its clock, its descriptors, and the two ends' numbers.
class Run {
 public:
  explicit Run(const Script& script)
      : script_(script), host_(HostFlags::parse(script.so_flags.c_str())), start_us_(host_.now_us()), ends_(script.ipv6) {}

  void play() {
    for (const ScriptEvent& event : script_.events) {
      line_ = event.line;
      if (const auto* segment = std::get_if<ScriptSegment>(&event.what); segment != nullptr && segment->outbound) {
        expect(*segment, event);
        continue;
      }
      pass_until(start_us_ + event.begin_us);
      if (const auto* call = std::get_if<ScriptCall>(&event.what)) make(*call, event);
      if (const auto* segment = std::get_if<ScriptSegment>(&event.what)) arrive(ends_.inbound(*segment));
      if (const auto* too_big = std::get_if<ScriptTooBig>(&event.what)) arrive(ends_.too_big(*too_big));
    }
    if (waiting_) fail("a blocking call has not returned");
    if (!host_.sent().empty()) fail("sent, and not in the script: " + describe(host_.sent().front().bytes));
  }
  int line() const { return line_; }

 private:
  // Time passes timer by timer, so that a call that waits returns when it would.
  void pass_until(int64_t time_us) {
    while (host_.now_us() < time_us) {
      const int64_t timer = host_.next_timer_us();
      host_.advance_to(timer < 0 ? time_us : std::min(timer, time_us));
      retry();
    }
  }
  void arrive(const std::vector<uint8_t>& packet) {
    host_.packet_arrives(packet.data(), packet.size());
    retry();
  }

  // Outbound segments.

  SentPacket next_packet(const ScriptEvent& event) {
    const int64_t latest = start_us_ + event.end_us + tolerance(event);
    while (host_.sent().empty()) {
      const int64_t timer = host_.next_timer_us();
      if (timer < 0 || timer > latest) fail("expected a packet, none was sent");
      host_.advance_to(timer);
      retry();
    }
    SentPacket packet = std::move(host_.sent().front());
    host_.sent().pop_front();
    return packet;
  }
  int64_t tolerance(const ScriptEvent&) const { return script_.tolerance_us; }

  void expect(const ScriptSegment& wanted, const ScriptEvent& event) {
    uint32_t covered = 0;
    do {
      const SentPacket packet = next_packet(event);
      const int64_t at = packet.time_us - start_us_;
      const bool early = at < event.begin_us - tolerance(event);
      const bool late = at > event.end_us + tolerance(event);
      if (!event.any_time && (early || late)) {
        fail("sent " + std::to_string(at) + " us after the start, expected after " + std::to_string(event.begin_us) +
             ": " + describe(packet.bytes));
      }
      covered += ends_.compare(packet.bytes, wanted, covered);
    } while (covered < wanted.length);
  }

  // Calls.

  using Attempt = std::function<Result()>;

  void make(const ScriptCall& call, const ScriptEvent& event) {
    if (waiting_) fail("the call before has not returned");
    Attempt attempt = attempt_of(call);
    const Result result = attempt();
    if (result == -EAGAIN && call.blocks) {
      waiting_ = true;
      waiting_call_ = call;
      waiting_for_ = std::move(attempt);
      waiting_until_us_ = start_us_ + event.end_us + tolerance(event);
      return;
    }
    check(call, result);
  }
  void retry() {
    if (!waiting_) return;
    const Result result = waiting_for_();
    if (result == -EAGAIN) {
      if (host_.now_us() > waiting_until_us_) fail("a blocking call returns too late: " + waiting_call_.name);
      return;
    }
    waiting_ = false;
    check(waiting_call_, result);
  }
  void check(const ScriptCall& call, Result result) {
    const bool makes = call.name == "socket" || call.name == "accept";
    if (makes && result >= 0) {
      descriptors_[static_cast<int>(call.result)] = static_cast<int>(result);
      return;
    }
    const Result wanted = call.error.empty() ? call.result : -error_number(call.error);
    if (result != wanted) {
      fail(call.name + " returned " + std::to_string(result) + (result < 0 ? std::string(" (") + strerror(static_cast<int>(-result)) + ")" : ""));
    }
  }

  int descriptor(const ScriptCall& call) const {
    const auto found = descriptors_.find(std::stoi(call.arguments.at(0)));
    return found == descriptors_.end() ? -1 : found->second;
  }

  Attempt attempt_of(const ScriptCall& call) {
    const std::string& name = call.name;
    if (name == "socket") return [this] { return Result{host_.socket(next_descriptor_++, family())}; };
    const int fd = descriptor(call);
    const auto argument = [&call](size_t i) { return call.arguments.at(i); };
    if (name == "bind") return [this, fd] { return host_.bind(fd, ends_.local()); };
    if (name == "listen") return [this, fd, n = std::stoi(argument(1))] { return host_.listen(fd, n); };
    if (name == "accept") return [this, fd] { return host_.accept(fd, next_descriptor_++, nullptr, nullptr); };
    if (name == "connect") return connecting(fd);
    if (name == "read" || name == "recv") return reading(fd, static_cast<size_t>(std::stoul(argument(2))));
    if (name == "write" || name == "send") {
      const bool more = name == "send" && argument(3) == "MSG_MORE";
      return writing(fd, static_cast<size_t>(std::stoul(argument(2))), more, call.blocks);
    }
    if (name == "close") return [this, fd] { return host_.close(fd); };
    if (name == "shutdown") return [this, fd, how = constant(argument(1))] { return host_.shutdown(fd, how); };
    if (name == "fcntl") {
      const int flags = call.arguments.size() > 2 ? constant(argument(2)) : 0;
      if (argument(1) == "F_GETFL") return [this, fd] { return host_.flags(fd); };
      return [this, fd, flags] { return host_.set_flags(fd, flags); };
    }
    if (name == "setsockopt" || name == "getsockopt") return option(call, fd);
    if (name == "ioctl") return readable(fd, std::stoll(argument(2).substr(1)));
    fail("a call that is not known: " + name);
  }

  Attempt connecting(int fd) {
    return [this, fd, begun = false]() mutable -> Result {
      if (!begun) {
        begun = true;
        const Result result = host_.connect(fd, ends_.remote());
        if (result != -EINPROGRESS || host_.non_blocking(fd)) return result;
      }
      const Result result = host_.connected(fd);
      return result == -EINPROGRESS ? Result{-EAGAIN} : result;
    };
  }
  Attempt reading(int fd, size_t n) {
    return [this, fd, n] {
      std::vector<uint8_t> bytes(n);
      return host_.read(fd, bytes.data(), n);
    };
  }
  Attempt writing(int fd, size_t n, bool more, bool blocks) {
    return [this, fd, n, more, blocks, done = size_t{0}]() mutable -> Result {
      const std::vector<uint8_t> zeros(n - done);
      const Result put = host_.write(fd, zeros.data(), zeros.size(), more);
      if (put < 0) return put;
      done += static_cast<size_t>(put);
      return done < n && blocks ? Result{-EAGAIN} : static_cast<Result>(done);
    };
  }
  Attempt option(const ScriptCall& call, int fd) {
    const int level = constant(call.arguments.at(1));
    const int which = constant(call.arguments.at(2));
    std::string text = call.arguments.at(3);
    text = text.substr(1, text.find_first_of("],") - 1);
    if (call.name == "setsockopt") {
      if (which == SO_LINGER && level == SOL_SOCKET) {
        return [this, fd] {
          const linger now{1, 0};
          return host_.set_option(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        };
      }
      return [this, fd, level, which, value = std::stoi(text)] {
        return host_.set_option(fd, level, which, &value, sizeof(value));
      };
    }
    const int wanted = which == SO_ERROR && level == SOL_SOCKET && text[0] == 'E' ? error_number(text) : std::stoi(text);
    return [this, fd, level, which, wanted]() -> Result {
      int value = 0;
      socklen_t length = sizeof(value);
      const Result result = host_.get_option(fd, level, which, &value, &length);
      if (result == 0 && value != wanted) fail("the option is " + std::to_string(value));
      return result;
    };
  }
  Attempt readable(int fd, Result wanted) {
    return [this, fd, wanted]() -> Result {
      const Result bytes = host_.readable_bytes(fd);
      if (bytes >= 0 && bytes != wanted) fail("there are " + std::to_string(bytes) + " bytes to read");
      return bytes < 0 ? bytes : 0;
    };
  }

  int family() const { return script_.ipv6 ? AF_INET6 : AF_INET; }

  const Script& script_;
  SocketHost host_;
  const int64_t start_us_;
  Ends ends_;
  int line_ = 0;
  int next_descriptor_ = 100;
  std::map<int, int> descriptors_;  // of the script -> of the host
  bool waiting_ = false;
  ScriptCall waiting_call_;
  Attempt waiting_for_;
  int64_t waiting_until_us_ = 0;
};

}  // namespace

std::string run(const Script& script) {
  Run run(script);
  try {
    run.play();
  } catch (const std::exception& error) {
    return "line " + std::to_string(run.line()) + ": " + error.what();
  }
  return "";
}

}  // namespace flatproxy::packetdrill
