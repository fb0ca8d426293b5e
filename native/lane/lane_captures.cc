#include "lane/lane_captures.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <string_view>
#include <tuple>
#include <utility>

#include "packet/frame.h"
#include "wire/bytes.h"
#include "wire/checksum.h"

namespace flatproxy {
namespace {

/// A checksum that its sender leaves to the device is in the copy as it is on the wire.
void complete_copied_checksum(const Segment* frame, Segment* copy) {
  const uint32_t start = frame->checksum_start;
  const uint32_t field = start + frame->checksum_offset;
  if (field + 2 > copy->length || start > frame->frame_length) return;
  const uint16_t sum = wire::finish(wire::sum_chain(frame, start, frame->frame_length - start));
  wire::store16(copy->data + field, sum == 0 ? uint16_t{0xffff} : sum);
}

/// Texts of a record, of as many bytes as its lengths can say.
std::string_view up_to(size_t most, std::string_view text) { return text.substr(0, most); }

}  // namespace

void LaneCaptures::adopt(const Snapshot& snapshot) {
  snapshot_ = &snapshot;
  virtual_time_ = std::any_of(snapshot.ports.begin(), snapshot.ports.end(), [](const PortEntry& entry) {
    return entry.port != nullptr && entry.port->virtual_time();
  });
  for (Running& running : captures_) {
    if (running.capture != nullptr) find_ports(running);
  }
}

void LaneCaptures::find_ports(Running& running) const {
  running.ports.reset();
  for (uint16_t id = 0; id < snapshot_->ports.size(); ++id) {
    if (!running.capture->options.is_of(snapshot_->ports[id].name)) continue;
    running.ports.set(id);
    running.ports.set(host_side(id));
  }
}

void LaneCaptures::begin(std::shared_ptr<LiveCapture> capture) {
  const auto free = std::find_if(captures_.begin(), captures_.end(), [](const Running& r) { return !r.capture; });
  if (copies_ == nullptr) {
    copies_ = std::make_unique<Buffers>(kSmallCopies, kLargeCopies, 0);
    sending_.reserve(Burst::kSize);
    shared_.capturing.fetch_add(1);
  }
  free->feed = capture->feeds[lane_].get();
  free->capture = std::move(capture);
  find_ports(*free);
  running_ = true;
}

void LaneCaptures::end(const LiveCapture& capture) {
  publish();
  for (Running& running : captures_) {
    if (running.capture.get() == &capture) running = {};
  }
  running_ = std::any_of(captures_.begin(), captures_.end(), [](const Running& r) { return r.capture != nullptr; });
}

void LaneCaptures::tick() {
  copies_->small.collect();
  copies_->large.collect();
  if (copies_->small.in_use() + copies_->large.in_use() != 0) return;
  copies_.reset();
  flat_ = {};
  shared_.capturing.fetch_sub(1);
}

// What comes.

void LaneCaptures::take_in(const Burst& burst, uint16_t port, Nanoseconds now) {
  for (const Running& running : captures_) {
    if (running.capture != nullptr) running.feed->ports[port].received.add(burst.count);
  }
  for (uint32_t i = 0; i < burst.count; ++i) {
    Segment* copy = copy_if_wanted(burst.frames[i], port, now, false);
    if (copy != nullptr) attach_copy(burst.frames[i], copy);
  }
}

Segment* LaneCaptures::copy_if_wanted(const Segment* frame, uint16_t port, Nanoseconds now, bool outbound) {
  CaptureNote note{.captures = {},
                   .time = now,
                   .sequence = sequence_++,
                   .original = frame->frame_length,
                   .policy = CaptureNote::kNoPolicy,
                   .port = port,
                   .outbound = outbound};
  uint32_t length = 0;
  bool wanted = false;
  for (size_t i = 0; i < kMaxCaptures; ++i) {
    const Running& running = captures_[i];
    if (running.capture == nullptr || !running.ports[port]) continue;
    const CaptureOptions& options = running.capture->options;
    if (options.filter != nullptr && !options.filter->matches(in_one_piece(frame), note.original, note.original))
      continue;
    running.feed->ports[port].accepted.add(1);
    note.captures[i] = running.capture->number;
    length = std::max(length, std::min(options.snap_length, note.original));
    wanted = true;
  }
  if (!wanted) return nullptr;
  Segment* copy = copy_front(frame, length);
  if (copy != nullptr) {
    new (copy->buffer) CaptureNote(note);
    return copy;
  }
  for (size_t i = 0; i < kMaxCaptures; ++i) {
    if (note.captures[i] != 0) captures_[i].feed->lose(port);
  }
  return nullptr;
}

/// Filters may look at any byte.
const uint8_t* LaneCaptures::in_one_piece(const Segment* frame) {
  if (frame->next == nullptr) [[likely]]
    return frame->data;
  if (flat_.size() < frame->frame_length) flat_.resize(frame->frame_length);
  copy_out(frame, 0, flat_.data(), frame->frame_length);
  return flat_.data();
}

/// nullptr: there is no room.
Segment* LaneCaptures::copy_front(const Segment* frame, uint32_t length) {
  Segment* copy = copies_->small.allocate();
  if (copy == nullptr) return nullptr;
  for (const Segment* s = frame; length > 0; s = s->next) {
    const uint32_t step = std::min(length, s->length);
    if (!append(copy, s->data, step, *copies_)) {
      release(copy);
      return nullptr;
    }
    length -= step;
  }
  if ((frame->flags & kNeedsChecksum) != 0) complete_copied_checksum(frame, copy);
  return copy;
}

// What becomes of it.

void LaneCaptures::finish(Segment* copy, Reason reason, uint16_t exit) {
  copy->reason = reason;
  copy->exit = exit;
  running_ ? ended_.push_back(copy) : release(copy);
}

void LaneCaptures::publish() {
  if (ended_.empty()) return;
  std::sort(ended_.begin(), ended_.end(), [](Segment* a, Segment* b) {
    return std::tie(note_of(a).time, note_of(a).sequence) < std::tie(note_of(b).time, note_of(b).sequence);
  });
  for (Segment* copy : ended_) {
    const auto& wanting = note_of(copy).captures;
    const Verdict verdict = info(copy->reason).verdict;
    for (const Running& running : captures_) {
      if (running.capture == nullptr || !running.capture->options.wants(verdict)) continue;
      if (std::find(wanting.begin(), wanting.end(), running.capture->number) != wanting.end()) give(running, copy);
    }
    release(copy);
  }
  ended_.clear();
}

std::string LaneCaptures::port_name(uint16_t port) const {
  const uint16_t index = port % kMaxPorts;
  std::string name = index < snapshot_->ports.size() ? snapshot_->ports[index].name : std::string();
  if (is_host_side(port)) name.append(" (host)");
  return name;
}

void LaneCaptures::give(const Running& to, Segment* copy) const {
  const CaptureNote& note = note_of(copy);
  const std::string port_text = port_name(note.port);
  const std::string exit_text = copy->exit == kNoPort ? std::string() : port_name(copy->exit);
  const auto& policies = snapshot_->policies->set().policies;
  const std::string_view port = up_to(UINT8_MAX, port_text);
  const std::string_view out = up_to(UINT8_MAX, exit_text);
  const std::string_view policy =
      note.policy < policies.size() ? up_to(UINT16_MAX, policies[note.policy].name) : std::string_view();
  const CaptureRecord record{.time = note.time + (virtual_time_ ? 0 : to.capture->clock_offset),
                             .sequence = note.sequence,
                             .captured = std::min(copy->frame_length, to.capture->options.snap_length),
                             .original = note.original,
                             .port = note.port,
                             .reason = copy->reason,
                             .outbound = note.outbound,
                             .port_name = static_cast<uint8_t>(port.size()),
                             .exit_name = static_cast<uint8_t>(out.size()),
                             .policy_name = static_cast<uint16_t>(policy.size())};
  const auto texts = static_cast<uint32_t>(port.size() + out.size() + policy.size());
  std::byte* at = to.feed->ring.reserve(static_cast<uint32_t>(sizeof(record)) + texts + record.captured);
  if (at == nullptr) return to.feed->lose(note.port);
  std::memcpy(at, &record, sizeof(record));
  at += sizeof(record);
  for (const std::string_view text : {port, out, policy})
    at = std::copy_n(reinterpret_cast<const std::byte*>(text.data()), text.size(), at);
  copy_out(copy, 0, reinterpret_cast<uint8_t*>(at), record.captured);
  to.feed->ring.commit();
}

// What goes.

void LaneCaptures::sending(const Burst& burst, uint16_t port, Nanoseconds now) {
  sending_.clear();
  for (uint32_t i = 0; i < burst.count; ++i) {
    Segment* frame = burst.frames[i];
    Segment* copy = nullptr;
    if (is_captured(frame)) {
      copy = detach_copy(frame);
    } else if (running_ && frame->reason == Reason::originated) {
      copy = copy_if_wanted(frame, port, now, true);
    }
    if (copy == nullptr) continue;
    copy->reason = frame->reason;
    sending_.push_back({frame, copy});
  }
}

void LaneCaptures::refused(const Segment* frame, Reason reason) {
  const auto found = std::find_if(sending_.begin(), sending_.end(), [&](const Sending& s) { return s.frame == frame; });
  if (found == sending_.end()) return;
  finish(found->copy, reason);
  sending_.erase(found);
}

void LaneCaptures::sent(uint16_t port) {
  for (const Sending& sending : sending_) finish(sending.copy, sending.copy->reason, port);
  sending_.clear();
}

}  // namespace flatproxy
