#include "roce_rows.h"

#include <cstring>

#include "batches.h"
#include "row.h"
#include "wire/roce.h"

namespace flatproxy::bench {
namespace {

constexpr uint32_t kFlows = 10'000;
constexpr uint8_t kWriteOnly = 0x0a;

/// A 64-byte frame of a client's write to a queue pair of one of the servers, the next of its flow.
void write_roce(uint8_t* to, uint32_t flow, uint32_t psn) {
  constexpr uint32_t kLength = 50;
  const uint32_t source = kFirstClient + 1 + flow % 16;
  const uint32_t destination = kFirstServer + flow % kServers;
  std::memset(to, 0, 64);
  write_macs(to, true);
  to[12] = 8;
  to[14] = 0x45;
  to[17] = kLength;
  to[20] = 0x40;
  to[22] = 64;
  to[23] = 17;
  wire::store32(to + 26, source);
  wire::store32(to + 30, destination);
  uint32_t sum = 0x4500 + kLength + 0x4000 + 0x4011 + (source >> 16) + (source & 0xffff) + (destination >> 16) +
                 (destination & 0xffff);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  wire::store16(to + 24, static_cast<uint16_t>(~sum));
  wire::store16(to + 34, static_cast<uint16_t>(0xc000 + flow));
  wire::store16(to + 36, wire::kRocePort);
  wire::store16(to + 38, kLength - 20);
  wire::Bth bth;
  bth.opcode = kWriteOnly;
  bth.destination_qp = 0x100 + flow;
  bth.psn = psn & wire::kRoceNumberMask;
  bth.emit({to + 42, wire::kBthSize});
}

}  // namespace

void roce(int rounds) {
  Rig rig(Rig::Parts{}, {kFlows + kFlows / 4}, true);
  uint64_t carried = 0;
  const auto send = [&](uint64_t first) {
    send_batch(rig, rig.left(), kBatch, [&](uint8_t* to, uint32_t i) {
      const uint64_t n = first + i;  // each flow has one of every kFlows
      write_roce(to, flow_of(n, kFlows), static_cast<uint32_t>(n / kFlows));
    });
  };
  const auto floor = [&](uint64_t sent) {
    QueueContext context{rig.buffers(), 0};
    Burst burst;
    send(sent);
    rig.left().queue(0).receive(context, burst);
    rig.right().queue(0).send(context, burst);
  };
  const auto carry = [&](uint64_t) {
    send(carried);
    carried += kBatch;
    rig.pass();
  };
  Row row{"roce-10k", "packets/s", true, {}, {}};
  for (int i = 0; i < rounds; ++i) {
    row.floors.push_back(rate(rig, kDuration, floor));
    row.rounds.push_back(rate(rig, kDuration, carry));
    if (rig.lane().roce().table().size() != kFlows) fail(rig, "flows", kFlows, rig.lane().roce().table().size());
  }
  const uint64_t again = rig.lane().counters().roce.retransmitted.read();
  if (again != 0) fail(rig, "retransmitted", 0, again);
  print(row);
}

}  // namespace flatproxy::bench
