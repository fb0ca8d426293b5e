#include "port/tap_queue.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "packet/frame.h"

namespace flatproxy {
namespace {

// Without the C library's wrappers, which are cancellation points: in a process with several threads each of them costs
// two atomic exchanges.
ssize_t read_into(int fd, const iovec* parts, int count) { return syscall(SYS_readv, fd, parts, count); }
ssize_t write_from(int fd, const iovec* parts, int count) {
  return count == 1 ? syscall(SYS_write, fd, parts[0].iov_base, parts[0].iov_len)
                    : syscall(SYS_writev, fd, parts, count);
}

}  // namespace

// False: the pools are empty. The frames then wait in the kernel's queue, where nothing of them is lost or uncounted.
bool TapQueue::prepare(Buffers& buffers) {
  if (small_ == nullptr) {
    small_ = buffers.small.allocate();
    if (small_ == nullptr) return false;
    into_[0] = {small_->data - sizeof(VnetHeader), sizeof(VnetHeader) + small_->tailroom()};
  }
  for (unsigned i = 0; i < kLargeParts; ++i) {
    if (large_[i] != nullptr) continue;
    large_[i] = buffers.large.allocate(0);
    if (large_[i] == nullptr) return false;
    into_[1 + i] = {large_[i]->data, large_[i]->capacity};
  }
  return true;
}

void TapQueue::put_back() {
  if (small_ != nullptr) small_->pool->give_back(small_);
  small_ = nullptr;
  for (Segment*& large : large_) {
    if (large != nullptr) large->pool->give_back(large);
    large = nullptr;
  }
}

// Makes a frame of the segments that `bytes` bytes were read into.
Segment* TapQueue::take(uint32_t bytes) {
  Segment* head = small_;
  small_ = nullptr;
  head->frame_length = bytes;
  head->length = std::min(bytes, head->tailroom());
  uint32_t left = bytes - head->length;
  Segment* tail = head;
  for (unsigned i = 0; left != 0; ++i) {
    tail->next = large_[i];
    tail = large_[i];
    large_[i] = nullptr;
    tail->length = std::min(left, tail->capacity);
    left -= tail->length;
  }
  return head;
}

void TapQueue::receive(QueueContext& context, Burst& burst) {
  if (context.now < next_look_) return;
  const uint32_t before = burst.count;
  uint32_t bytes = 0;
  while (bytes < kBurstBytes && !burst.full() && prepare(context.buffers)) {
    const ssize_t n = read_into(fd_, into_.data(), static_cast<int>(into_.size()));
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) lost_.store(true, std::memory_order_relaxed);
      next_look_ = context.now + kNextLook;
      break;
    }
    VnetHeader header;
    if (n < static_cast<ssize_t>(sizeof(header))) break;
    Segment* head = take(static_cast<uint32_t>(n) - static_cast<uint32_t>(sizeof(header)));
    std::memcpy(&header, head->data - sizeof(header), sizeof(header));
    // A frame that its header contradicts goes on without content, so that the parser ends it with a counted reason.
    if (!vnet_parse(header, head)) [[unlikely]] {
      trim_to(head, 0);
      head->flags = 0;
      head->gso_size = 0;
    }
    bytes += head->frame_length;
    burst.push(head);
  }
  put_back();
  if (burst.count > before) {
    empty_looks_ = 0;
  } else if (empty_looks_ < kSilentAfter) {
    ++empty_looks_;
  }
}

// The header goes in front of the frame, so that an ordinary frame is one piece for the kernel.
bool TapQueue::write(Segment* head) {
  VnetHeader header = vnet_emit(head);
  std::array<iovec, 1 + kMaxParts> from;
  int parts = 0;
  if (head->headroom() >= sizeof(header) && head->references == 1) [[likely]] {
    uint8_t* start = head->data - sizeof(header);
    std::memcpy(start, &header, sizeof(header));
    from[parts++] = {start, sizeof(header) + head->length};
  } else {
    from[parts++] = {&header, sizeof(header)};
    from[parts++] = {head->data, head->length};
  }
  for (const Segment* s = head->next; s != nullptr; s = s->next) {
    if (parts == static_cast<int>(from.size())) return false;
    from[parts++] = {s->data, s->length};
  }
  ssize_t n;
  do n = write_from(fd_, from.data(), parts);
  while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EBADFD) lost_.store(true, std::memory_order_relaxed);
  return n >= 0;
}

void TapQueue::send(QueueContext&, Burst& burst) {
  uint32_t kept = 0;
  for (Segment* frame : burst) {
    if (write(frame)) {
      release(frame);
    } else {
      burst.frames[kept++] = frame;
    }
  }
  burst.count = kept;
  if (empty_looks_ < kSilentAfter) next_look_ = 0;
}

}  // namespace flatproxy
