#include "support/world.h"

#include <algorithm>

#include "packet/frame.h"

namespace flatproxy::test {
namespace {

constexpr const char* kTimeouts =
    R"("timeouts":{"tcpSynSent":30000,"tcpSynReceived":30000,"tcpEstablished":7440000,"tcpFinWait":120000,)"
    R"("tcpCloseWait":60000,"tcpLastAck":30000,"tcpTimeWait":120000,"tcpClose":10000,"udp":30000,"udpAssured":180000,)"
    R"("icmp":30000,"fragment":5000})";

}  // namespace

World::World(Options options) : options_(std::move(options)), came_(options_.ports) {
  ports_.resize(options_.ports);
  const auto open = [this](uint16_t id, const std::string& name, const std::string&) -> std::shared_ptr<Port> {
    PortInfo info;
    info.id = id;
    info.name = name;
    info.mac = own_mac(id);
    info.offloads = {true, true, true};
    ports_[id] = std::make_shared<MemoryPort>(info, options_.lanes, MemoryOptions{.ring_size = 4096, .same_thread = true});
    return ports_[id];
  };
  snapshot_ = build_snapshot(plan(1, true, options_.services), nullptr, open);
  shared_ = std::make_unique<LaneShared>(options_.lanes, options_.capacity * options_.lanes, HashKey{{11, 22, 33, 44}});
  for (unsigned i = 0; i < options_.lanes; ++i) {
    lanes_.push_back(std::make_unique<Lane>(i, *shared_, options_.capacity));
    lanes_.back()->adopt(*snapshot_, now_);
  }
}

World::~World() {
  for (unsigned port = 0; port < options_.ports; ++port) take_frames(port);
  for (Segment* frame : handed_out_) release(frame);
}

std::string World::plan(uint64_t generation, bool whole, const std::string& services) const {
  std::string text = "{\"generation\":" + std::to_string(generation) +
                     ",\"base\":" + (whole ? "null" : std::to_string(generation - 1)) + ",\"ports\":[";
  std::string connected;
  for (unsigned i = 0; i < options_.ports; ++i) {
    const std::string n = std::to_string(i);
    text += std::string(i == 0 ? "" : ",") + "{\"id\":" + n + ",\"name\":\"" + static_cast<char>('a' + i) +
            "\",\"own\":[\"10.0." + n + ".1/24\",\"fd00:0:0:" + n + "::1/64\"],\"config\":{\"type\":\"memory\"}}";
    connected += std::string(i == 0 ? "" : ",") + "{\"to\":\"10.0." + n + ".0/24\",\"port\":" + n + "},{\"to\":\"fd00:0:0:" + n +
                 "::/64\",\"port\":" + n + "}";
  }
  if (options_.routes.size() > 2) connected += "," + options_.routes.substr(1, options_.routes.size() - 2);
  text += "],\"routes\":[" + connected + "],\"workloads\":[],\"services\":{\"set\":" + services + ",\"removed\":[]},\"flows\":{";
  std::string flows = options_.flows;
  if (flows.find("midstream") == std::string::npos) flows += "\"midstream\":\"adopt\",";
  if (flows.find("track") == std::string::npos) flows += "\"track\":\"all\",";
  return text + "\"capacity\":" + std::to_string(options_.capacity) + "," + flows + kTimeouts + "}}";
}

void World::apply(const std::string& services) {
  const auto open = [](uint16_t, const std::string&, const std::string&) -> std::shared_ptr<Port> { return nullptr; };
  auto next = build_snapshot(plan(snapshot_->generation + 1, false, services), snapshot_.get(), open);
  for (auto& lane : lanes_) lane->adopt(*next, now_);
  snapshot_ = next;
}

void World::send(unsigned port, const Frame& frame, unsigned queue) {
  Frame addressed = frame;
  ports_[port]->inject(queue, addressed.macs(peer_mac(port), own_mac(port)).build(buffers_));
  pass_until_quiet();
}

void World::pass_until_quiet() {
  bool moved = true;
  while (moved) {
    moved = false;
    for (auto& lane : lanes_) moved |= lane->iterate(now_ += 1000);
    for (unsigned port = 0; port < options_.ports; ++port) moved |= collect(port);
  }
}

bool World::collect(unsigned port) {
  bool any = false;
  Segment* frames[64];
  for (unsigned queue = 0; queue < options_.lanes; ++queue) {
    while (const uint32_t n = ports_[port]->take_burst(queue, frames, 64)) {
      for (uint32_t i = 0; i < n; ++i) {
        any = true;
        if (options_.neighbors_answer && answer_neighbor(port, frames[i])) {
          release(frames[i]);
        } else {
          came_[port].push_back(frames[i]);
        }
      }
    }
  }
  return any;
}

/// An ARP request or a neighbour solicitation: the peer says that the address is its own.
bool World::answer_neighbor(unsigned port, const Segment* frame) {
  const std::vector<uint8_t> f = content(frame);
  const wire::Mac mac = peer_mac(port);
  if (f[12] == 8 && f[13] == 6 && f[21] == 1) {
    std::vector<uint8_t> reply(f.begin(), f.begin() + 42);
    std::copy(f.begin() + 6, f.begin() + 12, reply.begin());
    std::copy(mac.bytes.begin(), mac.bytes.end(), reply.begin() + 6);
    reply[21] = 2;
    std::copy(mac.bytes.begin(), mac.bytes.end(), reply.begin() + 22);
    std::copy(f.begin() + 38, f.begin() + 42, reply.begin() + 28);
    std::copy(f.begin() + 22, f.begin() + 32, reply.begin() + 32);
    Segment* answer = buffers_.small.allocate();
    append(answer, reply.data(), static_cast<uint32_t>(reply.size()), buffers_);
    ports_[port]->inject(0, answer);
    return true;
  }
  if (f[12] != 0x86 || f.size() < 78 || f[20] != 58 || f[54] != 135) return false;
  const wire::Address target = wire::Address::from_v6(&f[62]);
  const wire::Address asker = wire::Address::from_v6(&f[22]);
  // A neighbour advertisement is an ICMPv6 message of type 136 with flags, target and the option of the link address.
  std::vector<uint8_t> na = {136, 0, 0, 0, 0x60, 0, 0, 0};
  na.insert(na.end(), target.bytes.begin(), target.bytes.end());
  na.push_back(2);
  na.push_back(1);
  na.insert(na.end(), mac.bytes.begin(), mac.bytes.end());
  std::vector<uint8_t> packet = {0x60, 0, 0, 0, 0, 32, 58, 255};
  packet.insert(packet.end(), target.bytes.begin(), target.bytes.end());
  packet.insert(packet.end(), asker.bytes.begin(), asker.bytes.end());
  uint32_t sum = 32 + 58;
  for (size_t i = 8; i < 40; i += 2) sum += static_cast<uint32_t>(packet[i] << 8 | packet[i + 1]);
  for (size_t i = 0; i < na.size(); i += 2) sum += static_cast<uint32_t>(na[i] << 8 | na[i + 1]);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  na[2] = static_cast<uint8_t>(~sum >> 8);
  na[3] = static_cast<uint8_t>(~sum);
  packet.insert(packet.end(), na.begin(), na.end());
  std::vector<uint8_t> reply(f.begin() + 6, f.begin() + 12);
  reply.insert(reply.end(), mac.bytes.begin(), mac.bytes.end());
  reply.push_back(0x86);
  reply.push_back(0xdd);
  reply.insert(reply.end(), packet.begin(), packet.end());
  Segment* answer = buffers_.small.allocate();
  append(answer, reply.data(), static_cast<uint32_t>(reply.size()), buffers_);
  ports_[port]->inject(0, answer);
  return true;
}

std::vector<Segment*> World::take_frames(unsigned port) {
  for (Segment* frame : handed_out_) release(frame);
  handed_out_ = std::move(came_[port]);
  came_[port].clear();
  return handed_out_;
}

std::vector<std::string> World::take(unsigned port) {
  std::vector<std::string> texts;
  for (const Segment* frame : take_frames(port)) texts.push_back(describe(frame));
  return texts;
}

void World::run(Nanoseconds duration) {
  constexpr Nanoseconds kStep = 100'000'000;
  for (Nanoseconds left = duration;;) {
    pass_until_quiet();
    if (left == 0) return;
    const Nanoseconds step = std::min(left, kStep);
    now_ += step;
    left -= step;
  }
}

uint64_t World::count(Reason reason) const {
  uint64_t total = 0;
  for (const auto& lane : lanes_) total += lane->counters().reasons[static_cast<size_t>(reason)].packets.read();
  return total;
}

uint32_t World::flows() const {
  uint32_t total = 0;
  for (const auto& lane : lanes_) total += lane->flows().conntrack().table().size();
  return total;
}

std::string service_json(const std::vector<std::string>& endpoints, const std::string& address, const std::string& protocol,
                         const std::string& more) {
  std::string text = "{\"id\":0,\"name\":\"shop\",\"protocol\":\"" + protocol + "\",\"addresses\":[\"" + address +
                     "\"],\"port\":80,\"balance\":\"maglev\",\"affinity\":\"none\",\"healthCheck\":null,\"endpoints\":[";
  for (size_t i = 0; i < endpoints.size(); ++i) {
    text += std::string(i == 0 ? "" : ",") + "{\"id\":" + std::to_string(i) + ",\"address\":\"" + endpoints[i] +
            "\",\"port\":8080,\"weight\":1,\"drain\":false,\"name\":\"e" + std::to_string(i) + "\"}";
  }
  return "[" + text + "]" + more + "}]";
}

}  // namespace flatproxy::test
