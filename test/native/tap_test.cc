#include "port/tap.h"

#include <linux/if_ether.h>
#include <sys/wait.h>

#include <array>

#include "net_fixture.h"
#include "packet/error.h"
#include "port/vnet_header.h"

namespace flatproxy {
namespace {

using test::Netns;

wire::Prefix prefix4(const std::string& ip, uint8_t length) {
  uint32_t raw;
  inet_pton(AF_INET, ip.c_str(), &raw);
  return {wire::Address::from_v4(&raw), length};
}

wire::Prefix prefix6(const std::string& ip, uint8_t length) {
  std::array<uint8_t, 16> raw;
  inet_pton(AF_INET6, ip.c_str(), raw.data());
  return {wire::Address::from_v6(raw.data()), length};
}

PortInfo named(const std::string& name) {
  PortInfo info;
  info.name = name;
  return info;
}

class Tap : public testing::Test {
 protected:
  void SetUp() override {
    if (!client_ || !server_) GTEST_SKIP() << "needs root, or a user and network namespace (unshare -Urn)";
    if (access("/dev/net/tun", R_OK | W_OK) != 0) GTEST_SKIP() << "no /dev/net/tun";
  }
  std::shared_ptr<Port> open_client(unsigned lanes = 1) {
    return open_tap(named("c"), {"fpc", client_.path(), {prefix4("10.9.0.1", 24), prefix6("fd09::1", 64)}, {}}, lanes);
  }
  std::shared_ptr<Port> open_server(unsigned lanes = 1) {
    return open_tap(named("s"), {"fps", server_.path(), {prefix4("10.9.0.2", 24), prefix6("fd09::2", 64)}, {}}, lanes);
  }
  Netns client_, server_;
};

std::string code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_FALSE(error.remedy.empty()) << error.what();
    return error.code;
  }
  return "none";
}

TEST_F(Tap, CarriesTheKernelsTcpWholeBothFamilies) {
  const auto a = open_client();
  const auto b = open_server();
  test::RunningBridge bridge(test::Pairs{{&a->queue(0), &b->queue(0)}});
  EXPECT_TRUE(test::transfer(client_, server_, "10.9.0.2", 64 << 20));
  EXPECT_TRUE(test::transfer(server_, client_, "fd09::1", 64 << 20));
  EXPECT_GT(bridge.stop().longest(), 60000u) << "large frames cross whole";
  EXPECT_EQ(bridge.stop().buffers().small.in_use(), 0u);
  EXPECT_EQ(bridge.stop().buffers().large.in_use(), 0u);
}

TEST_F(Tap, SeveralQueuesServeOneDevice) {
  const auto a = open_client(4);
  const auto b = open_server(4);
  test::Pairs pairs;
  for (unsigned lane = 0; lane < 4; ++lane) pairs.push_back({&a->queue(lane), &b->queue(lane)});
  test::RunningBridge bridge(pairs);
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(test::transfer(client_, server_, "10.9.0.2", 1 << 20));
}

TEST_F(Tap, SaysWhatItIsAndLeavesNothingBehind) {
  TapConfig config{"fpx", client_.path(), {prefix4("10.9.0.1", 24)}, {{prefix4("10.77.0.0", 16), {}}}, 9000};
  auto port = open_tap(named("x"), config, 1);
  const auto link = client_.in([] { return Netlink().find_link("fpx"); });
  ASSERT_TRUE(link.has_value());
  EXPECT_EQ(link->mtu, 9000);
  EXPECT_TRUE(link->up);
  EXPECT_NE(link->mac, port->info().mac);
  EXPECT_EQ(port->info().mac.bytes[0] & 3, 2) << "locally administered unicast";
  EXPECT_EQ(port->info().mtu, 9000);
  EXPECT_TRUE(port->info().offloads.checksum && port->info().offloads.tso4 && port->info().offloads.tso6);
  EXPECT_TRUE(client_.run("ip route show 10.77.0.0/16 | grep fpx"));
  const wire::Mac mac = port->info().mac;
  port.reset();
  EXPECT_FALSE(client_.in([] { return Netlink().find_link("fpx"); }).has_value());
  EXPECT_EQ(open_tap(named("x"), config, 1)->info().mac, mac) << "neighbours keep their entries across a restart";
}

TEST_F(Tap, GoesWithAKilledProcess) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto port = open_client();
    if (write(ready[1], "x", 1) == 1) pause();
    _exit(1);
  }
  char byte;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  EXPECT_TRUE(client_.in([] { return Netlink().find_link("fpc"); }).has_value());
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(ready[0]);
  close(ready[1]);
  EXPECT_FALSE(client_.in([] { return Netlink().find_link("fpc"); }).has_value());
}

TEST_F(Tap, NoticesThatItsDeviceWasDeleted) {
  const auto port = open_client();
  EXPECT_TRUE(port->queue(0).up());
  ASSERT_TRUE(client_.run("ip link del fpc"));
  Buffers buffers;
  QueueContext context{buffers, 0};
  Burst burst;
  port->queue(0).receive(context, burst);
  for (Segment* frame : burst) release(frame);
  EXPECT_FALSE(port->queue(0).up());
  EXPECT_NE(port->loss_reason().find("fpc"), std::string::npos);
}

TEST_F(Tap, NamesWhatIsWrong) {
  const auto port = open_client();
  EXPECT_EQ(code_of([&] { open_client(); }), "ERR_FLATPROXY_IN_USE");
  EXPECT_EQ(code_of([&] { open_tap(named("x"), {"fpy", "no-such-namespace", {}, {}}, 1); }), "ERR_FLATPROXY_NOT_FOUND");
  EXPECT_EQ(code_of([&] { open_tap(named("x"), {"a-name-too-long-for-it", "", {}, {}}, 1); }), "ERR_FLATPROXY_CONFIG");
}

TEST_F(Tap, NamesTheMissingCapability) {
  const pid_t child = fork();
  if (child == 0) {
    if (setresuid(65534, 65534, 65534) != 0) _exit(2);
    _exit(code_of([] { open_tap(named("x"), {"fpy", "", {}, {}}, 1); }) == "ERR_FLATPROXY_PERMISSION" ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WEXITSTATUS(status) == 2) GTEST_SKIP() << "cannot become an unprivileged user here";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(Tap, KeepsWhatTheKernelRefuses) {
  const auto port = open_client();
  Buffers buffers;
  QueueContext context{buffers, 0};
  Burst burst;
  for (const uint32_t length : {60u, 4u, 60u}) {  // 4: shorter than an Ethernet header
    Segment* frame = buffers.small.allocate();
    std::memset(frame->data, 0xff, length);
    frame->length = frame->frame_length = length;
    burst.push(frame);
  }
  Segment* short_frame = burst.frames[1];
  port->queue(0).send(context, burst);
  ASSERT_EQ(burst.count, 1u);
  EXPECT_EQ(burst.frames[0], short_frame);
  release(short_frame);
  EXPECT_EQ(buffers.small.in_use(), 0u);
}

Segment* frame_of(Buffers& buffers, uint32_t length) {
  Segment* frame = buffers.small.allocate();
  std::memset(frame->data, 0x50, length);
  frame->length = frame->frame_length = length;
  return frame;
}

TEST(VnetHeader, RoundTrips) {
  Buffers buffers;
  Segment* frame = frame_of(buffers, 1000);
  const VnetHeader in{1, 1 | 0x80, 0, 500, 34, 16, 0};
  ASSERT_TRUE(vnet_parse(in, frame));
  EXPECT_EQ(frame->flags, kNeedsChecksum | kGsoTcp4 | kGsoEcn);
  EXPECT_EQ(frame->gso_size, 500);
  VnetHeader out = vnet_emit(frame);
  EXPECT_EQ(out.header_length, 34 + 20) << "0x50: a TCP header of five words";
  out.header_length = 0;
  EXPECT_EQ(std::memcmp(&in, &out, sizeof(in)), 0);
  ASSERT_TRUE(vnet_parse(VnetHeader{2, 0, 0, 0, 0, 0, 0}, frame));
  EXPECT_EQ(frame->flags, kChecksumValid);
  EXPECT_EQ(frame->gso_size, 0);
  release(frame);
}

TEST(VnetHeader, RefusesWhatContradictsTheFrame) {
  Buffers buffers;
  Segment* frame = frame_of(buffers, 60);
  // clang-format off
  const std::array<VnetHeader, 7> bad{{
      {1, 0, 0, 0, 34, 25, 0},        // the checksum field ends behind the frame
      {1, 0, 0, 0, 0xffff, 0xffff, 0},
      {1, 0, 0, 0, 2, 16, 0},         // starts inside the Ethernet header
      {1, 1, 0, 0, 34, 16, 0},        // segments of no size
      {0, 1, 0, 100, 34, 16, 0},      // GSO without an unfinished checksum
      {1, 3, 0, 100, 34, 6, 0},       // UDP fragmentation, never negotiated
      {1, 4, 0, 100, 54, 2, 0},       // no room for a TCP header
  }};
  // clang-format on
  for (const VnetHeader& header : bad) EXPECT_FALSE(vnet_parse(header, frame));
  release(frame);
}

}  // namespace
}  // namespace flatproxy
