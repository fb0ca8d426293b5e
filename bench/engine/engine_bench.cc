// The engine alone: one lane between two memory ports, 64-byte frames, everything in one thread. A figure is the whole
// loop's, generator included; the floor is the same loop with a stage that only moves bursts.
//   engine_bench [--rounds N] [--rows a,b] : a line of JSON for each row
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "batches.h"
#include "http_rows.h"
#include "packet/frame.h"
#include "policy_rows.h"
#include "rig.h"
#include "roce_rows.h"
#include "route_rows.h"
#include "row.h"
#include "tcp_rows.h"
#include "tls_rows.h"

namespace flatproxy::bench {
namespace {

std::string service() {
  std::string text = R"([{"id":0,"name":"shop","protocol":"tcp","addresses":["203.0.113.1"],"port":80,
    "balance":"maglev","affinity":"none","healthCheck":null,"maxConnections":0,"proxyProtocol":"none",
    "http":{"maxPending":1024,"idleTimeout":60000,"maxRequests":0,"affinityCookie":null,"hash":null,
    "eject":{"failures":5,"for":30000}},"endpoints":[)";
  for (unsigned i = 0; i < kServers; ++i) {
    if (i != 0) text += ",";
    text += R"({"id":)" + std::to_string(i) + R"(,"address":"198.51.100.)" + std::to_string(16 + i) +
            R"(","port":8080,"weight":1,"drain":false,"name":"s)" + std::to_string(i) + "\"}";
  }
  return text + "]}]";
}

/// The client's end of flow i: an address for every 16,384 flows' worth of ports.
uint32_t client_address(uint32_t i) { return kFirstClient + 1 + (i >> 14); }
uint16_t client_port(uint32_t i) { return static_cast<uint16_t>(1024 + (i & 0x3fff)); }

wire::Address v4(uint32_t host_order) {
  const uint32_t network_order = __builtin_bswap32(host_order);
  return wire::Address::from_v4(&network_order);
}

/// What the endpoint of flow i answers with.
Tuple reply_of(const FlowTable& table, uint32_t i) {
  const Tuple original{v4(client_address(i)), v4(kVirtualAddress), client_port(i), 80, 6, 4};
  return table.reply(table.find(original, flow_hash(original, table.key())).id);
}

/// Opens flows by their handshakes.
void establish(Rig& rig, uint32_t flows) {
  const FlowTable& table = rig.lane().flows().conntrack().table();
  for (uint32_t first = 0; first < flows; first += kBatch) {
    const uint32_t count = std::min(kBatch, flows - first);
    const uint32_t before = table.size();
    send_batch(rig, rig.left(), count, [&](uint8_t* to, uint32_t i) {
      write_frame(to, true, client_address(first + i), client_port(first + i), kVirtualAddress, 80, 0x02, 100, 0);
    });
    settle(rig);
    if (table.size() != before + count) fail(rig, "flows opened", before + count, table.size());
    send_batch(rig, rig.right(), count, [&](uint8_t* to, uint32_t i) {
      const Tuple reply = reply_of(table, first + i);
      write_frame(to, false, __builtin_bswap32(reply.source.v4()), 8080, client_address(first + i),
                  client_port(first + i), 0x12, 500, 101);
    });
    settle(rig);
    send_batch(rig, rig.left(), count, [&](uint8_t* to, uint32_t i) {
      write_frame(to, true, client_address(first + i), client_port(first + i), kVirtualAddress, 80, 0x10, 101, 501);
    });
    settle(rig);
  }
  if (table.size() != flows) fail(rig, "established flows", flows, table.size());
}

/// Packets of clients to one address each: the service's, or that of one of the servers.
void send_packets(Rig& rig, uint64_t sent, uint32_t flows, bool to_servers) {
  send_batch(rig, rig.left(), kBatch, [&](uint8_t* to, uint32_t i) {
    const uint32_t flow = flow_of(sent + i, flows);
    const uint32_t destination = to_servers ? kFirstServer + flow % kServers : kVirtualAddress;
    write_frame(to, true, client_address(flow), client_port(flow), destination, 80, 0x10, 101, 501);
  });
}

/// The floor: the same frames, and a stage that moves bursts from port to port.
double floor_rate(Rig& rig, uint32_t flows, bool to_servers, double duration) {
  QueueContext context{rig.buffers(), 0};
  Burst burst;
  return rate(rig, duration, [&](uint64_t sent) {
    send_packets(rig, sent, flows, to_servers);
    rig.left().queue(0).receive(context, burst);
    rig.right().queue(0).send(context, burst);
    burst.count = 0;
  });
}

void forward(int rounds) {
  constexpr uint32_t kFlows = 10'000;
  Rig rig("[]", 1024, false);
  Row row{"forward", "packets/s", true, {}, {}};
  for (int i = 0; i < rounds; ++i) {
    row.floors.push_back(floor_rate(rig, kFlows, true, kDuration));
    row.rounds.push_back(rate(rig, kDuration, [&](uint64_t sent) {
      send_packets(rig, sent, kFlows, true);
      rig.pass();
    }));
  }
  print(row);
}

/// The servers are workloads that only the clients may talk to.
Rig::Parts with_policies() {
  Rig::Parts parts{service()};
  parts.workloads = "[";
  for (uint32_t i = 0; i < kServers; ++i) {
    const std::string id = std::to_string(i);
    if (i != 0) parts.workloads += ',';
    parts.workloads.append(R"({"id":)").append(id).append(R"(,"name":"w)").append(id);
    parts.workloads.append(R"(","port":1,"addresses":[")").append(v4(kFirstServer + i).to_string()).append("\"]}");
  }
  parts.workloads += "]";
  parts.policies =
      R"({"default":"deny","selectors":[{"workloads":"all"},{"cidrs":["10.0.0.0/8"],"except":[]}],"rules":[{"name":"p",)"
      R"("direction":"ingress","subject":[0],"peer":[1],"ports":[{"protocol":6,"first":8080,"last":8080}],)"
      R"("action":"allow"}]})";
  return parts;
}

void established(const char* name, uint32_t flows, int rounds, const Rig::Parts& parts = {service()}) {
  Rig rig(parts, {flows + flows / 4}, true);
  establish(rig, flows);
  Row row{name, "packets/s", true, {}, {}};
  for (int i = 0; i < rounds; ++i) {
    row.floors.push_back(floor_rate(rig, flows, false, kDuration));
    row.rounds.push_back(rate(rig, kDuration, [&](uint64_t sent) {
      send_packets(rig, sent, flows, false);
      rig.pass();
    }));
  }
  print(row);
}

/// Every packet is a SYN of a new flow: miss, balance, insert. The table is full, so each one also evicts another.
void fresh(int rounds) {
  constexpr uint32_t kFlows = 1u << 20;
  Rig rig(service(), kFlows, true);
  Row row{"flow-new", "flows/s", true, {}, {}};
  uint32_t next = 0;
  for (int i = 0; i < rounds; ++i) {
    row.rounds.push_back(rate(rig, kDuration, [&](uint64_t) {
      send_batch(rig, rig.left(), kBatch, [&](uint8_t* to, uint32_t) {
        const uint32_t flow = next++ & 0x3ffffff;
        write_frame(to, true, client_address(flow), client_port(flow), kVirtualAddress, 80, 0x02, 100, 0);
      });
      rig.pass();
    }));
  }
  print(row);
}

/// How much a full table of that many flows makes the process grow.
uint64_t growth(uint32_t flows) {
  const uint64_t before = resident_bytes();
  Rig rig(service(), flows, true);
  establish(rig, flows);
  return resident_bytes() - before;
}

/// What a flow costs, index included: the difference of two tables, so that what is there once does not count.
void flow_bytes(int rounds) {
  constexpr uint32_t kFew = 1u << 18, kMany = 1u << 20;
  Row row{"flow-bytes", "bytes", false, {}, {}};
  for (int i = 0; i < rounds; ++i) {
    const uint64_t few = growth(kFew);
    row.rounds.push_back(static_cast<double>(growth(kMany) - few) / (kMany - kFew));
  }
  print(row);
}

}  // namespace
}  // namespace flatproxy::bench

int main(int argc, char** argv) {
  using namespace flatproxy::bench;
  int rounds = 5;
  std::string rows =
      "forward,flow-10k,flow-10k-policies,flow-1m,flow-new,flow-bytes,tcp-connect,tcp-large,tcp-small,tcp-ping,tcp-"
      "flood,tcp-flood-kept,"
      "tcp-idle-bytes,tcp-idle-cost,route-10k,request-keepalive,request-connect,body-large,http-idle-bytes,"
      "classify-new-10k,classify-1k-by-1k,policy-build-10k,roce-10k,tls-seal-16k,tls-open-16k,tls-seal-1k";
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--rounds") == 0) rounds = std::max(1, std::atoi(argv[i + 1]));
    if (std::strcmp(argv[i], "--rows") == 0) rows = argv[i + 1];
  }
  const auto wanted = [&](const char* name) {
    return ("," + rows + ",").find("," + std::string(name) + ",") != std::string::npos;
  };
  if (wanted("forward")) forward(rounds);
  if (wanted("flow-10k")) established("flow-10k", 10000, rounds);
  if (wanted("flow-10k-policies")) established("flow-10k-policies", 10000, rounds, with_policies());
  if (wanted("flow-100")) established("flow-100", 100, rounds);
  if (wanted("flow-1m")) established("flow-1m", 1000000, rounds);
  if (wanted("flow-new")) fresh(rounds);
  if (wanted("flow-bytes")) flow_bytes(rounds);
  if (wanted("tcp-connect")) tcp_connect(rounds);
  if (wanted("tcp-large")) tcp_large(rounds);
  if (wanted("tcp-small")) tcp_small("tcp-small", 16, rounds);
  if (wanted("tcp-ping")) tcp_small("tcp-ping", 1, rounds);
  if (wanted("tcp-flood")) tcp_flood(rounds);
  if (wanted("tcp-flood-kept")) tcp_flood_kept(rounds);
  if (wanted("tcp-idle-bytes")) tcp_idle_bytes(rounds);
  if (wanted("tcp-idle-cost")) tcp_idle_cost(rounds);
  if (wanted("route-10k")) route_match(rounds);
  if (wanted("request-keepalive")) request_keepalive(rounds);
  if (wanted("request-connect")) request_connect(rounds);
  if (wanted("body-large")) body_large(rounds);
  if (wanted("http-idle-bytes")) http_idle_bytes(rounds);
  if (wanted("classify-new-10k")) classify_new(rounds);
  if (wanted("classify-1k-by-1k")) classify_product(rounds);
  if (wanted("policy-build-10k")) policy_build(rounds);
  if (wanted("roce-10k")) roce(rounds);
  if (wanted("tls-seal-16k")) tls_seal_large(rounds);
  if (wanted("tls-open-16k")) tls_open_large(rounds);
  if (wanted("tls-seal-1k")) tls_seal_small(rounds);
  return 0;
}
