#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "packet/buffers.h"
#include "stats/counter.h"
#include "tcp/connection.h"
#include "tcp/settings.h"
#include "tcp/timer_wheel.h"

namespace flatproxy::tcp {

/// Where the frames of a stack go, and who is told of what that depends on.
class Transmitter {
 public:
  virtual ~Transmitter() = default;
  /// Takes over a frame: an Ethernet header with empty MACs, then an IP packet whose TCP checksum is still to be
  /// completed (kNeedsChecksum).
  virtual void transmit(Segment* frame, Connection& connection) = 0;
  /// A frame has come for a connection, for a new one before anything is sent to it: it may show the way back.
  virtual void arrived(const Segment*, Connection&) {}
  /// The connection's tuple may be another one's from now on.
  virtual void forgotten(Connection&) {}
};

/// What a stack counts.
struct Counters {
  Counter opened;  ///< connections, by whichever side
  Counter ended;
  Counter repeated;  ///< segments sent again
  Counter timeouts;  ///< retransmission timeouts
  Counter tail_probes;
  Counter duplicates;       ///< segments received that brought nothing new
  Counter out_of_order;     ///< segments received ahead of a gap
  Counter out_of_window;    ///< segments refused for their sequence number
  Counter old_timestamps;   ///< segments refused by PAWS
  Counter bad_acks;         ///< segments refused for their acknowledgment number
  Counter challenges;       ///< challenge ACKs sent (RFC 5961)
  Counter challenges_held;  ///< and not sent: there were too many
  Counter cookies_sent;     ///< SYNs answered without memory (RFC 4987)
  Counter cookies_taken;    ///< connections that came of it
  Counter resets_received;
  Counter buffers_missing;  ///< frames not sent, data not taken: the pool was empty
  Counter memory_refused;   ///< segments not taken: the connection held its share of memory
};

/// What all connections of a stack have in common, for the functions that handle one.
class Context {
 public:
  Context(const Settings& the_settings, Buffers& the_buffers, Transmitter& the_transmitter)
      : settings(the_settings), buffers(the_buffers), transmitter(the_transmitter) {}

  const Settings settings;
  Buffers& buffers;
  Transmitter& transmitter;
  Counters counters;
  Nanoseconds now = 0;

  void set_time(Nanoseconds time) {
    now = time;
    now_ms_ = static_cast<uint32_t>(time / kMillisecond);
    now_us_ = static_cast<uint32_t>(time / 1000);
  }
  uint32_t now_ms() const { return now_ms_; }
  uint32_t now_us() const { return now_us_; }
  /// The value of a timestamp option sent now (RFC 7323 section 5.4: an offset of its own for each connection).
  uint32_t timestamp(const Connection& c) const { return now_ms() + c.timestamp_offset; }

  /// Most of the lane's buffers are out: connections make do with less until they are back.
  bool pressed() const { return is_beyond(buffers.small, kPressed) || is_beyond(buffers.large, kPressed); }
  /// Nearly all are out: no more bytes are taken in. What is left is for the headers of what is sent and for the
  /// acknowledgments that let queues go: without them nothing would ever move again.
  bool exhausted() const { return is_beyond(buffers.small, kExhausted) || is_beyond(buffers.large, kExhausted); }

  /// What connections may still hold before they are pressed, in the scarcer kind of buffers.
  uint64_t spare_bytes() const { return std::min(spare_bytes(buffers.small), spare_bytes(buffers.large)); }

  /// Its owner is to look at a connection.
  void tell(Connection& c, uint8_t events) {
    if (c.has(kOrphan)) return;
    c.events |= events;
    if (c.ready) return;
    c.ready = true;
    push(ready_first_, ready_last_, c, &Connection::next_ready);
  }
  Connection* take_ready() {
    Connection* c = pop(ready_first_, ready_last_, &Connection::next_ready);
    if (c != nullptr) c->ready = false;
    return c;
  }
  /// A connection may have something to send, or its timers to set.
  void touch(Connection& c) {
    if (c.dirty) return;
    c.dirty = true;
    push(dirty_first_, dirty_last_, c, &Connection::next_dirty);
  }
  Connection* take_dirty() {
    Connection* c = pop(dirty_first_, dirty_last_, &Connection::next_dirty);
    if (c != nullptr) c->dirty = false;
    return c;
  }

  std::unique_ptr<Flight> new_flight() { return take(flights_); }
  void give_back(std::unique_ptr<Flight> flight) {
    flight->clear();
    give(flights_, std::move(flight));
  }
  std::unique_ptr<Reassembly> new_reassembly() { return take(reassemblies_); }
  void give_back(std::unique_ptr<Reassembly> reassembly) {
    reassembly->clear();
    give(reassemblies_, std::move(reassembly));
  }

  /// Whether a connection may send another challenge ACK (RFC 5961 section 7). Each has a limit of its own: one that
  /// all share would tell an attacker of others' connections (Cao et al., "Off-Path TCP Exploits", 2016).
  bool may_challenge(Connection& c) const {
    if (now_ms() - c.challenges_from >= 1000) {
      c.challenges_from = now_ms();
      c.challenges = 0;
    }
    if (c.challenges >= settings.challenges_per_second) return false;
    ++c.challenges;
    return true;
  }

 private:
  static void push(Connection*& first, Connection*& last, Connection& c, Connection* Connection::*next) {
    c.*next = nullptr;
    (last != nullptr ? last->*next : first) = &c;
    last = &c;
  }
  static Connection* pop(Connection*& first, Connection*& last, Connection* Connection::*next) {
    Connection* c = first;
    if (c == nullptr) return nullptr;
    first = c->*next;
    if (first == nullptr) last = nullptr;
    return c;
  }
  static constexpr uint32_t kPressed = 6;    // eighths of a pool
  static constexpr uint32_t kExhausted = 7;  // eighths of a pool
  static uint32_t part_of(const SegmentPool& pool, uint32_t eighths) { return pool.segments() / 8 * eighths; }
  static uint64_t spare_bytes(const SegmentPool& pool) {
    const uint32_t most = part_of(pool, kPressed);
    return uint64_t{most - std::min(most, pool.in_use())} * pool.capacity();
  }
  /// What other threads have given back counts as used until it is collected.
  static bool is_beyond(SegmentPool& pool, uint32_t eighths) {
    const uint32_t most = part_of(pool, eighths);
    if (pool.in_use() <= most) [[likely]]
      return false;
    pool.collect();
    return pool.in_use() > most;
  }
  template <typename T>
  static std::unique_ptr<T> take(std::vector<std::unique_ptr<T>>& spare) {
    if (spare.empty()) return std::make_unique<T>();
    std::unique_ptr<T> one = std::move(spare.back());
    spare.pop_back();
    return one;
  }
  template <typename T>
  static void give(std::vector<std::unique_ptr<T>>& spare, std::unique_ptr<T> one) {
    if (spare.size() < kSpare) spare.push_back(std::move(one));
  }
  static constexpr size_t kSpare = 1024;

  uint32_t now_ms_ = 0;
  uint32_t now_us_ = 0;
  Connection* ready_first_ = nullptr;
  Connection* ready_last_ = nullptr;
  Connection* dirty_first_ = nullptr;
  Connection* dirty_last_ = nullptr;
  std::vector<std::unique_ptr<Flight>> flights_;
  std::vector<std::unique_ptr<Reassembly>> reassemblies_;
};

}  // namespace flatproxy::tcp
