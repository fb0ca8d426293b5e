#include "port/ethdev_eal.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_version.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

#include "packet/error.h"

namespace flatproxy {
namespace {

constexpr std::size_t kLogTail = 4096;
constexpr std::size_t kMinMemoryMb = 64;

// Holds what EAL logged; never destroyed, since EAL's own threads may log until the process is gone.
class LogTail {
 public:
  void append(const char* text, std::size_t size) {
    const std::lock_guard lock(mutex_);
    text_.append(text, size);
    if (text_.size() > kLogTail) text_.erase(0, text_.size() - kLogTail);
  }
  std::string text() {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  std::mutex mutex_;
  std::string text_;
};

LogTail& log_tail() {
  static auto* const tail = new LogTail;
  return *tail;
}

ssize_t write_log(void*, const char* text, std::size_t size) {
  log_tail().append(text, size);
  return static_cast<ssize_t>(size);
}

void redirect_log() {
  FILE* stream = fopencookie(nullptr, "w", cookie_io_functions_t{nullptr, write_log, nullptr, nullptr});
  if (stream == nullptr) throw Error("ERR_FLATPROXY_EAL", "no memory for DPDK's log");
  setvbuf(stream, nullptr, _IOLBF, 1024);
  rte_openlog_stream(stream);
}

bool has_free_hugepages(std::size_t memory_mb) {
  std::error_code failure;
  std::size_t free_kb = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/sys/kernel/mm/hugepages", failure)) {
    std::size_t size_kb = 0;
    std::size_t pages = 0;
    if (std::sscanf(entry.path().filename().c_str(), "hugepages-%zukB", &size_kb) != 1) continue;
    std::ifstream(entry.path() / "free_hugepages") >> pages;
    free_kb += size_kb * pages;
  }
  return free_kb / 1024 >= memory_mb;
}

int first_allowed_cpu() {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &allowed)) return cpu;
  }
  return 0;
}

std::vector<std::string> eal_arguments(const EalOptions& options, bool huge) {
  const std::string memory = std::to_string(options.memory_mb);
  std::vector<std::string> arguments = {"flatproxy", "--no-telemetry", "--log-level=warning",
                                        "--lcores=0@" + std::to_string(first_allowed_cpu())};
  // --in-memory leaves no file behind and needs no hugetlbfs mount; it excludes --no-huge (DPDK 22.11).
  if (huge) {
    arguments.insert(arguments.end(), {"--in-memory", "--single-file-segments"});
  } else {
    arguments.insert(arguments.end(), {"--no-huge", "--no-shconf", "-m", memory});
  }
  if (!options.pci) arguments.emplace_back("--no-pci");
  return arguments;
}

// EAL keeps pointers into its arguments.
int init_eal(const std::vector<std::string>& arguments) {
  auto* const argv = new std::vector<char*>;
  for (const std::string& argument : arguments) argv->push_back(strdup(argument.c_str()));
  argv->push_back(nullptr);
  return rte_eal_init(static_cast<int>(arguments.size()), argv->data()) < 0 ? rte_errno : 0;
}

// On a thread that blocks every signal, so that the threads that EAL starts never take one that is the process's, and
// whose affinity EAL may set.
int init_on_own_thread(const std::vector<std::string>& arguments) {
  int failure = 0;
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread([&] { failure = init_eal(arguments); }).join();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return failure;
}

struct Started {
  EalOptions options;
  bool huge;
};

struct Eal {
  std::mutex mutex;
  std::optional<Started> started;
  std::string failure;
};

Eal& eal() {
  static auto* const state = new Eal;
  return *state;
}

void check(const Started& started, const EalOptions& wanted) {
  const std::string restart = "start the process again, with the larger need first";
  if (wanted.pci && !started.options.pci) {
    throw Error("ERR_FLATPROXY_EAL_PCI", "DPDK was started in this process without the PCI bus", restart);
  }
  if (!started.huge && wanted.memory_mb > started.options.memory_mb) {
    throw Error("ERR_FLATPROXY_EAL_MEMORY",
                "DPDK was started in this process with " + std::to_string(started.options.memory_mb) + " MiB, " +
                    std::to_string(wanted.memory_mb) + " MiB are asked for now",
                restart + ", or provide hugepages (sysctl vm.nr_hugepages), with which memory grows");
  }
}

[[noreturn]] void fail(Eal& state, int code) {
  state.failure = std::string("DPDK can't start: ") + rte_strerror(code) + "\n" + log_tail().text();
  throw Error("ERR_FLATPROXY_EAL", state.failure, "run `flatproxy doctor`; DPDK can be tried only once per process");
}

}  // namespace

void eal_start(const EalOptions& options) {
  Eal& state = eal();
  const std::lock_guard lock(state.mutex);
  if (state.started) return check(*state.started, options);
  if (!state.failure.empty()) {
    throw Error("ERR_FLATPROXY_EAL", state.failure, "DPDK can be tried only once per process: start it again");
  }
  EalOptions wanted = options;
  wanted.memory_mb = std::max(wanted.memory_mb, kMinMemoryMb);
  const bool huge = has_free_hugepages(wanted.memory_mb);
  redirect_log();
  const int failure = init_on_own_thread(eal_arguments(wanted, huge));
  if (failure != 0) fail(state, failure);
  state.started = Started{wanted, huge};
}

std::string eal_log_tail() { return log_tail().text(); }

std::string dpdk_version() {
  const std::string version = rte_version();  // "DPDK 22.11.11"
  return version.substr(version.rfind(' ') + 1);
}

}  // namespace flatproxy
