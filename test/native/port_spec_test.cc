#include "port/port_spec.h"

#include <gtest/gtest.h>

#include "packet/error.h"

namespace flatproxy {
namespace {

std::string failure(std::string_view json) {
  try {
    parse_port_spec(json);
  } catch (const Error& error) {
    EXPECT_EQ(error.code, "ERR_FLATPROXY_CONFIG");
    return error.what();
  }
  return "none";
}

TEST(PortSpec, ReadsEveryType) {
  const auto tap =
      std::get<TapSpec>(parse_port_spec(R"({"type":"tap","name":"a","netns":"n","addresses":["10.0.0.1/24"],
    "routes":[{"to":"0.0.0.0/0","via":"10.0.0.9"},{"to":"fd00::/8"}],"mtu":9000,"queues":2,"own":["10.0.0.9"]})"));
  EXPECT_EQ(tap.config.name, "a");
  EXPECT_EQ(tap.config.addresses.at(0).length, 24);
  EXPECT_EQ(tap.config.routes.at(0).via->to_string(), "10.0.0.9");
  EXPECT_FALSE(tap.config.routes.at(1).via);
  EXPECT_EQ(tap.config.mtu, 9000);
  EXPECT_EQ(tap.queues, 2u);

  const auto iface = std::get<IfaceSpec>(parse_port_spec(
      R"({"type":"iface","interface":"eth0","take":"matched","delivery":"device","onExit":"block","watchdog":150.5,"netns":"x"})"));
  EXPECT_EQ(iface.config.take, Take::matched);
  EXPECT_EQ(iface.config.on_exit, OnExit::block);
  EXPECT_EQ(iface.config.delivery, Delivery::device);
  EXPECT_EQ(iface.config.watchdog, 150'500'000u);
  EXPECT_EQ(iface.netns, "x");

  EXPECT_EQ(std::get<EthdevSpec>(parse_port_spec(R"({"type":"ethdev","devargs":"net_null0"})")).devargs, "net_null0");
  EXPECT_EQ(std::get<PcapSpec>(parse_port_spec(R"({"type":"pcap","write":"o"})")).files.write, "o");
  EXPECT_EQ(std::get<MemorySpec>(parse_port_spec(R"({"type":"memory"})")).mtu, 1500);
  EXPECT_TRUE(std::holds_alternative<HostSpec>(parse_port_spec(R"({"type":"host"})")));

  const auto fault = std::get<std::shared_ptr<const FaultSpec>>(
      parse_port_spec(R"({"type":"fault","seed":9,"drop":0.5,"delay":3,"port":{"type":"memory","mtu":600}})"));
  EXPECT_EQ(fault->faults.seed, 9u);
  EXPECT_EQ(fault->faults.drop, 0.5);
  EXPECT_EQ(fault->faults.delay, 3'000'000u);
  EXPECT_EQ(std::get<MemorySpec>(fault->inner).mtu, 600);
}

TEST(PortSpec, DefaultsOfATap) {
  const auto tap = std::get<TapSpec>(parse_port_spec(R"({"type":"tap"})"));
  EXPECT_EQ(tap.config.name, "fp%d");
  EXPECT_EQ(tap.config.mtu, 1500);
  EXPECT_EQ(tap.queues, 0u);
}

TEST(PortSpec, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(failure("{"), "port: $ is no JSON");
  EXPECT_EQ(failure("[]"), "port: $ must be an object");
  EXPECT_EQ(failure("{}"), "port: $.type is missing");
  EXPECT_EQ(failure(R"({"type":"nic"})"), "port: $.type is no type of port here: nic");
  EXPECT_EQ(failure(R"({"type":"memory","x":1})"), "port: $.x is not known");
  EXPECT_EQ(failure(R"({"type":"memory","mtu":10})"), "port: $.mtu is out of its range");
  EXPECT_EQ(failure(R"({"type":"memory","mtu":1500.5})"), "port: $.mtu must be a whole number");
  EXPECT_EQ(failure(R"({"type":"iface"})"), "port: $.interface is missing");
  EXPECT_EQ(failure(R"({"type":"iface","interface":"a","take":"some"})"), "port: $.take is none of its words");
  EXPECT_EQ(failure(R"({"type":"tap","addresses":["x"]})"), "port: $.addresses is no prefix: x");
  EXPECT_EQ(failure(R"({"type":"tap","routes":[{"to":"::/0","via":"y"}]})"), "port: $.routes.via is no address: y");
  EXPECT_EQ(failure(R"({"type":"fault","port":{"type":"fault","port":{"type":"memory"}}})"),
            "port: $.port.type is no type of port here: fault");
  EXPECT_EQ(failure(R"({"type":"fault","drop":2,"port":{"type":"memory"}})"), "port: $.drop is out of its range");
}

}  // namespace
}  // namespace flatproxy
