// ARP and neighbour discovery: answers, and a neighbour table that believes all of it.
// Input: flags, the length of the first segment, the room behind it, then the frame.
#include <algorithm>
#include <cstdint>

#include "exact_segments.h"
#include "l3/arp_responder.h"
#include "l3/nd_responder.h"
#include "packet/frame.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/parse.h"

namespace {

using namespace flatproxy;
using fuzz::require;

constexpr wire::Mac kOurs{{2, 0, 0, 0, 0, 0xfe}};
constexpr size_t kPrefix = 3;

struct Nobody : NeighborActions {
  LinkEnd link(uint16_t) const override { return {}; }
  void solicit(const Neighbor&) override {}
  void deliver(Segment* frame, NeighborIndex) override { release(frame); }
  void fail(Segment* frame, Reason) override { release(frame); }
};

void check(Segment* frame, const NeighborOutcome& outcome, NeighborTable& table) {
  Reason why = Reason::count;
  if (info(outcome.reason).verdict == Verdict::answer && outcome.reason != Reason::neighbor_learned) {
    frame->flags = 0;
    require(wire::parse_frame(frame, why));
    require(wire::load_mac(frame->data + 6) == kOurs);
    if (frame->family == 6) require(wire::sum_intact(wire::sum_l4(frame)));
  }
  if (!outcome.news) return;
  require(!outcome.news->mac.multicast());
  Nobody nobody;
  NeighborNews news = *outcome.news;
  news.create = true;
  table.learn(1, news, 1, nobody);
  const NeighborIndex index = table.find(1, news.address);
  require(index == kNoNeighbor || table.at(index).address == news.address);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < kPrefix) return 0;
  static fuzz::ExactSegments& segments = *new fuzz::ExactSegments;
  static NeighborTable& table = *new NeighborTable(HashKey{{1, 2, 3, 4}});
  Segment* frame = segments.frame(data + kPrefix, size - kPrefix, data + 1, 1, data[2]);
  // Fuzzers do not find checksums by chance.
  frame->flags = (data[0] & 1) != 0 ? kChecksumValid : 0;
  Reason why = Reason::count;
  if (wire::parse_frame(frame, why)) {
    const auto answers = [](const wire::Address& a) { return (a.bytes[15] & 1) == 0; };
    if (frame->ether_type == wire::ether_type::kArp) check(frame, answer_arp(frame, kOurs, answers), table);
    if (is_neighbor_discovery(frame)) check(frame, answer_neighbor_discovery(frame, kOurs, answers), table);
  }
  Nobody nobody;
  if (table.size() > 100) table.forget_port(1, nobody);
  release(frame);
  require(segments.alive() == 0);
  return 0;
}
