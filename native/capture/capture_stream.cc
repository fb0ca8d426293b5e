#include "capture/capture_stream.h"

#include <algorithm>
#include <cstring>
#include <tuple>
#include <utility>

namespace flatproxy {
namespace {

constexpr uint32_t kNone = ~0u;
constexpr Nanoseconds kSecond = 1'000'000'000;

/// By verdict, in the order of the enum.
constexpr std::string_view kEnded[] = {"forwarded", "answered", "terminated", "dropped", "rejected"};

/// "forwarded, exit uplink", "dropped: policy_denied by policy web", "originated, exit uplink".
void put_words(std::string& to, Reason reason, std::string_view policy, std::string_view exit) {
  const ReasonInfo& about = info(reason);
  const std::string_view ended = kEnded[static_cast<size_t>(about.verdict)];
  to.clear();
  if (reason == Reason::originated) {
    to.append(about.name);
  } else {
    to.append(ended);
    if (about.name != ended) to.append(": ").append(about.name);
  }
  if (!policy.empty()) to.append(" by policy ").append(policy);
  if (!exit.empty()) to.append(", exit ").append(exit);
}

CaptureRecord record_at(const std::byte* bytes) {
  CaptureRecord record;
  std::memcpy(&record, bytes, sizeof(record));
  return record;
}

}  // namespace

CaptureStream::CaptureStream(std::shared_ptr<LiveCapture> capture, std::vector<PortName> ports, Nanoseconds now)
    : capture_(std::move(capture)),
      limit_(capture_->options.limit),
      begun_(now),
      first_ports_(std::move(ports)),
      told_at_(now) {
  by_port_.fill(kNone);
}

void CaptureStream::read(std::vector<uint8_t>& to, size_t limit, Nanoseconds now) {
  PcapngBlocks blocks(to);
  if (!std::exchange(headed_, true)) write_head(blocks);
  constexpr size_t kAboutBlock = 128;  // a block without its packet's bytes
  const size_t bytes = gather(limit);
  to.reserve(to.size() + bytes + kAboutBlock * gathered_.size());
  for (const std::byte* record : gathered_) write(record, blocks);
  for (const auto& feed : capture_->feeds) feed->ring.release();
  packets_ += gathered_.size();
  tell_losses(blocks, now);
}

/// Reads records, and sorts them: a lane gives packets in the order in which they end. Returns their bytes.
size_t CaptureStream::gather(size_t limit) {
  gathered_.clear();
  size_t bytes = 0;
  const size_t share = limit / capture_->feeds.size();
  for (const auto& feed : capture_->feeds) {
    for (size_t size = 0; size < share && packets_ + gathered_.size() < limit_;) {
      const auto record = feed->ring.read();
      if (record.empty()) break;
      gathered_.push_back(record.data());
      size += record.size();
      bytes += record.size();
    }
  }
  std::sort(gathered_.begin(), gathered_.end(), [](const std::byte* a, const std::byte* b) {
    const CaptureRecord left = record_at(a);
    const CaptureRecord right = record_at(b);
    return std::tie(left.time, left.sequence) < std::tie(right.time, right.sequence);
  });
  return bytes;
}

void CaptureStream::write(const std::byte* bytes, PcapngBlocks& blocks) {
  const CaptureRecord record = record_at(bytes);
  const char* texts = reinterpret_cast<const char*>(bytes) + sizeof(record);
  const std::string_view port(texts, record.port_name);
  const std::string_view exit(port.data() + port.size(), record.exit_name);
  const std::string_view policy(exit.data() + exit.size(), record.policy_name);
  put_words(comment_, record.reason, policy, exit);
  using Direction = PcapngBlocks::Direction;
  uint8_t* to = blocks.packet({.interface = interface_of(record.port, port, blocks),
                               .time = record.time,
                               .captured = record.captured,
                               .original = record.original,
                               .direction = record.outbound ? Direction::outbound : Direction::inbound,
                               .comment = comment_});
  std::memcpy(to, policy.data() + policy.size(), record.captured);
}

void CaptureStream::write_head(PcapngBlocks& blocks) {
  blocks.section("flatproxy");
  for (const auto& [id, name] : first_ports_) interface_of(id, name, blocks);
}

/// The interface that a port is; its first packet makes it one.
uint32_t CaptureStream::interface_of(uint16_t port, std::string_view name, PcapngBlocks& blocks) {
  uint32_t& known = by_port_[port];
  if (known != kNone && interfaces_[known].name == name) [[likely]]
    return known;
  const auto [found, is_new] = by_name_.try_emplace(std::string(name), static_cast<uint32_t>(interfaces_.size()));
  known = found->second;
  if (is_new) {
    blocks.interface(capture_->options.snap_length, name);
    interfaces_.push_back({std::string(name), {}, 0});
  }
  interfaces_[known].ports.push_back(port);
  return known;
}

void CaptureStream::tell_losses(PcapngBlocks& blocks, Nanoseconds now) {
  lost_ = 0;
  for (const auto& feed : capture_->feeds) lost_ += feed->lost.read();
  if (lost_ == lost_told_ || now < told_at_ + kSecond) return;
  put_statistics(blocks, now, false);
}

/// @param all else those that have lost more than was told
void CaptureStream::put_statistics(PcapngBlocks& blocks, Nanoseconds now, bool all) {
  for (uint32_t id = 0; id < interfaces_.size(); ++id) {
    PcapngBlocks::Statistics sum{.interface = id, .begin = begun_, .end = now};
    for (const auto& feed : capture_->feeds) {
      for (const uint16_t port : interfaces_[id].ports) {
        sum.received += feed->ports[port].received.read();
        sum.accepted += feed->ports[port].accepted.read();
        sum.dropped += feed->ports[port].lost.read();
      }
    }
    if (!all && sum.dropped == interfaces_[id].lost) continue;
    interfaces_[id].lost = sum.dropped;
    blocks.statistics(sum);
  }
  lost_told_ = lost_;
  told_at_ = now;
}

void CaptureStream::finish(std::vector<uint8_t>& to, Nanoseconds now) {
  PcapngBlocks blocks(to);
  tell_losses(blocks, now);
  put_statistics(blocks, now, true);
  capture_.reset();
}

}  // namespace flatproxy
