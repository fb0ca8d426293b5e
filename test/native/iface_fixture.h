#pragma once

#include <sys/wait.h>

#include <chrono>
#include <functional>

#include "net_fixture.h"
#include "packet/error.h"
#include "port/iface.h"

namespace flatproxy::test {

inline Netlink netlink_in(const Netns& netns) {
  return netns.in([] { return Netlink(); });
}

/// A node between two workloads: `w0` and `s0` are the node's ends of veth pairs, `w1` (10.8.0.1, fd08::1) and `s1`
/// (10.8.0.2, fd08::2) the workloads'.
struct Cluster {
  Netns workload, node, server;
  bool ready = false;

  Cluster() {
    if (!workload || !node || !server) return;
    ready = link("w0", "w1", workload, 1) && link("s0", "s1", server, 2);
  }
  bool link(const std::string& here, const std::string& there, const Netns& netns, int host) const {
    const std::string number = std::to_string(host);
    return node.run("ip link add " + here + " type veth peer name " + there) &&
           node.run("ip link set " + there + " netns " + netns.path()) && node.run("ip link set " + here + " up") &&
           netns.run("ip link set " + there + " up && ip addr add 10.8.0." + number + "/24 dev " + there +
                     " && ip addr add fd08::" + number + "/64 dev " + there + " nodad");
  }
  /// The node's own stack reaches the first workload.
  bool address_node() const {
    return node.run("ip addr add 10.8.0.254/24 dev w0 && ip addr add fd08::fe/64 dev w0 nodad");
  }
  IfacePorts open(IfaceConfig config, unsigned lanes = 1) const {
    return node.in([&] { return open_iface({}, {}, config, lanes); });
  }
};

/// A TCP connection to a listener inside `server`; true: established within the time.
inline bool reaches(const Netns& client, const Netns& server, const std::string& ip, int milliseconds) {
  const Fd listener = listen_on(server, ip, 5002);
  return static_cast<bool>(connect_to(client, ip, 5002, milliseconds));
}

/// A process of its own that carries frames between an interface's wire and the node's stack.
class NodeProcess {
 public:
  NodeProcess(const Cluster& cluster, const IfaceConfig& config) {
    int ready[2];
    if (pipe(ready) != 0) return;
    pid_ = fork();
    if (pid_ == 0) carry(cluster, config, ready[1]);
    close(ready[1]);
    char byte = 0;
    if (read(ready[0], &byte, 1) != 1) ADD_FAILURE() << "the process could not take the interface";
    close(ready[0]);
  }
  ~NodeProcess() { end(SIGKILL); }
  void signal(int number) const { kill(pid_, number); }
  /// SIGKILL or SIGSTOP; returns when it has ended or stands still.
  void signal_and_wait(int number) {
    kill(pid_, number);
    waitpid(pid_, nullptr, WUNTRACED);
    if (number == SIGKILL) pid_ = -1;
  }
  void end(int number) {
    if (pid_ <= 0) return;
    kill(pid_, number);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  [[noreturn]] static void carry(const Cluster& cluster, const IfaceConfig& config, int ready) {
    try {
      const IfacePorts ports = cluster.open(config);
      Bridge bridge(Pairs{{&ports.wire->queue(0), &ports.host->queue(0)}});
      bridge.step();
      const bool told = write(ready, "x", 1) == 1;
      std::atomic<bool> stop{!told};
      bridge.run(stop);
    } catch (const Error& error) {
      fprintf(stderr, "%s: %s\n", error.code.c_str(), error.what());
    }
    _exit(1);
  }
  pid_t pid_ = -1;
};

}  // namespace flatproxy::test
