#include "tcp/reassembly.h"

#include <algorithm>

namespace flatproxy::tcp {

size_t Reassembly::first_ending_at_or_after(Sequence at) const {
  const auto found = std::lower_bound(runs_.begin(), runs_.end(), at,
                                      [](const Run& run, Sequence sequence) { return before(run.end, sequence); });
  return static_cast<size_t>(found - runs_.begin());
}

uint32_t Reassembly::insert(Sequence begin, ByteQueue&& data, Buffers& buffers) {
  uint32_t added = 0;
  while (!data.empty()) {
    const size_t index = first_ending_at_or_after(begin);
    // Skip what a run has already.
    if (index < runs_.size() && !before(begin, runs_[index].begin) && before(begin, runs_[index].end)) {
      const uint32_t known = std::min(runs_[index].end - begin, data.bytes());
      touched(runs_[index]);
      data.drop_front(known);
      begin += known;
      continue;
    }
    // Then a gap: up to the next run, or to the end.
    uint32_t gap = data.bytes();
    const size_t next = index < runs_.size() && runs_[index].end == begin ? index + 1 : index;
    if (next < runs_.size()) gap = std::min(gap, runs_[next].begin - begin);
    ByteQueue part = gap == data.bytes() ? std::move(data) : data.cut_front(gap, buffers);
    if (!place(begin, std::move(part), index, buffers)) break;
    added += gap;
    begin += gap;
  }
  data.clear();
  return added;
}

// Adds bytes that no run has: to the run that ends where they begin (runs_[index]), to the one that begins where they
// end, as the link between both, or as a run of their own.
bool Reassembly::place(Sequence begin, ByteQueue&& data, size_t index, Buffers& buffers) {
  const Sequence end = begin + data.bytes();
  const bool extends = index < runs_.size() && runs_[index].end == begin;
  const size_t next = extends ? index + 1 : index;
  const bool meets = next < runs_.size() && runs_[next].begin == end;
  if (extends) {
    held_ -= runs_[index].data.held();
    runs_[index].data.absorb(std::move(data), buffers);
    held_ += runs_[index].data.held();
    runs_[index].end = end;
    if (meets) {
      runs_[index].data.append(std::move(runs_[next].data));
      runs_[index].end = runs_[next].end;
      runs_.erase(runs_.begin() + static_cast<ptrdiff_t>(next));
    }
  } else if (meets) {
    held_ += data.held();
    data.append(std::move(runs_[index].data));
    runs_[index].data = std::move(data);
    runs_[index].begin = begin;
  } else if (runs_.size() < kMaxRuns) {
    held_ += data.held();
    runs_.insert(runs_.begin() + static_cast<ptrdiff_t>(index), Run{begin, end, std::move(data)});
  } else {
    data.clear();
    return false;
  }
  touched(runs_[index]);
  return true;
}

void Reassembly::touched(const Run& run) {
  uint8_t kept = 1;
  std::array<Sequence, wire::TcpOptions::kMaxSackBlocks> order{run.begin};
  for (uint8_t i = 0; i < latest_count_ && kept < order.size(); ++i) {
    if (!within(run.begin, latest_[i], run.end)) order[kept++] = latest_[i];
  }
  latest_ = order;
  latest_count_ = kept;
}

Sequence Reassembly::deliver(Sequence next, ByteQueue& into) {
  size_t done = 0;
  for (; done < runs_.size() && !before(next, runs_[done].begin); ++done) {
    Run& run = runs_[done];
    held_ -= run.data.held();
    if (!before(next, run.end)) continue;
    run.data.drop_front(next - run.begin);
    into.append(std::move(run.data));
    next = run.end;
  }
  runs_.erase(runs_.begin(), runs_.begin() + static_cast<ptrdiff_t>(done));
  return next;
}

bool Reassembly::run_around(Sequence at, wire::SackBlock& block) const {
  const size_t index = first_ending_at_or_after(at + 1);
  if (index == runs_.size() || before(at, runs_[index].begin)) return false;
  block = {runs_[index].begin, runs_[index].end};
  return true;
}

uint8_t Reassembly::report(wire::SackBlock* blocks, uint8_t room) {
  uint8_t count = 0;
  uint8_t kept = 0;
  for (uint8_t i = 0; i < latest_count_; ++i) {
    wire::SackBlock block;
    if (!run_around(latest_[i], block)) continue;  // delivered, or released
    latest_[kept++] = latest_[i];
    if (count < room) blocks[count++] = block;
  }
  latest_count_ = kept;
  return count;
}

void Reassembly::shed(uint32_t held) {
  while (held_ > held && !runs_.empty()) {
    held_ -= runs_.back().data.held();
    runs_.pop_back();
  }
}

void Reassembly::clear() {
  constexpr size_t kKept = 64;  // what a spare one may hold
  runs_.clear();
  if (runs_.capacity() > kKept) runs_.shrink_to_fit();
  held_ = 0;
  latest_count_ = 0;
}

}  // namespace flatproxy::tcp
