#pragma once

#include <cstdint>
#include <vector>

#include "conntrack/flow_index.h"
#include "conntrack/region.h"
#include "packet/flow_hash.h"
#include "tcp/arrival.h"
#include "tcp/context.h"
#include "tcp/secrets.h"
#include "tcp/wait_list.h"

namespace flatproxy::tcp {

/// Where connections are taken from whoever opens them.
struct Listener {
  uint32_t backlog = 1024;  ///< handshakes under way; beyond them SYN cookies are sent (RFC 4987)
  uint32_t half_open = 0;
  uint16_t mtu = 0;  ///< of the paths to it at most, 0: that of the stack
  bool open = false;
  Nanoseconds cookies_until = 0;  ///< cookies were sent, so that acknowledgments with one may come
};

/// What became of a frame.
enum class Fate : uint8_t {
  taken,      ///< its connection's, or answered
  unclaimed,  ///< no connection, nobody listens: to be answered with a reset
  bad_checksum,
  bad_options,
  table_full,  ///< a SYN that found no room
};

/// What a listener makes of a parsed TCP frame, no fragment, while there are no connections.
Fate first_fate(const Segment* frame);

/// TCP for one lane: frames and time in, frames and events out. A pure state machine; all that it does happens inside
/// of the calls below. Whoever owns a connection is told of events through take_ready(), and has the connection until
/// it calls close() or abort(), also when it has ended.
class Stack {
 public:
  /// @param capacity connections at most, below 4 million; memory is committed as it is used
  Stack(const Settings& settings, uint32_t capacity, const Secrets& secrets, Buffers& buffers,
        Transmitter& transmitter);
  ~Stack();
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  void set_time(Nanoseconds now);
  const Settings& settings() const { return context_.settings; }
  const Counters& counters() const { return context_.counters; }
  uint32_t connections() const { return used_; }

  static constexpr uint16_t kNoListener = 0xffff;
  /// @param backlog handshakes under way, before SYN cookies are sent  @param mtu see Listener
  uint16_t listen(uint32_t backlog, uint16_t mtu = 0);
  /// The same with an id of the caller's choice, again if it likes.
  void listen_as(uint16_t listener, uint32_t backlog);
  /// Connections that are open keep theirs.
  void set_mtu(uint16_t listener, uint16_t mtu) { listeners_[listener].mtu = mtu; }
  /// Connections that are open stay; handshakes under way end.
  void unlisten(uint16_t listener);

  /// A parsed TCP frame, no fragment. `taken`: the frame is the stack's, else the caller's still.
  /// @param listener who takes a new connection to its destination
  Fate input(Segment* frame, uint16_t listener = kNoListener) { return input(frame, listener, prefetch_index(frame)); }
  /// The same of a frame of a burst, for all of which prefetch_index() and then prefetch_connection() were called: what
  /// the table has for them is fetched from memory side by side, not one after the other.
  /// @param hash what prefetch_index() returned
  Fate input(Segment* frame, uint16_t listener, uint64_t hash);
  /// What input() would make of a frame, but for want of room; nothing changes.
  Fate foresee(const Segment* frame, uint16_t listener) const;
  uint64_t prefetch_index(const Segment* frame) const;
  void prefetch_connection(uint64_t hash) const;
  /// An ICMP error about a segment that was sent (RFC 5927: believed if its sequence number is in flight). False: there
  /// is no such connection.
  bool packet_too_big(const Tuple& sent, Sequence sequence, uint32_t mtu);
  bool unreachable(const Tuple& sent, Sequence sequence);

  /// What a connection to open is given beside its tuple.
  struct Opening {
    void* owner = nullptr;
    uint16_t mtu = 0;   ///< of the path at most, 0: that of the stack
    uint64_t mark = 0;  ///< for the transmitter: path[1]
    uint64_t path = 0;  ///< for the transmitter: path[0]
  };
  /// Begins to open a connection from tuple.source; nullptr: the table is full or the tuple is taken.
  Connection* connect(const Tuple& tuple, const Opening& opening);
  bool knows(const Tuple& tuple) const { return find(tuple) != nullptr; }
  /// Whether no connection has the tuple, or one whose end lies so far back that it may be opened anew.
  bool may_connect(const Tuple& tuple) const;

  /// Something has happened to it (Connection::events, for the caller to clear); nullptr: nothing more. A connection
  /// that a listener has taken comes with kOpened and without an owner.
  Connection* take_ready();
  /// A connection's owner is to look at it, as if that had happened.
  void tell(Connection& c, uint8_t events) { context_.tell(c, events); }

  /// Queues bytes to be sent. What is beyond Settings::max_send_buffer is queued, too: the caller asks may_send()
  /// first, and is told kWritable.
  void send(Connection& c, ByteQueue&& data);
  uint32_t send(Connection& c, const uint8_t* bytes, uint32_t n);
  bool may_send(Connection& c);
  /// The caller has taken bytes out of c.received.
  void taken(Connection& c);
  /// Changes to kNoDelay or kCork take effect.
  void poke(Connection& c) { context_.touch(c); }

  /// No more is to be sent: a FIN follows what is queued.
  void shut_down(Connection& c);
  /// shut_down(), and the caller has no more to do with it. With bytes unread the other side is reset (RFC 9293 section
  /// 3.10.4, RFC 2525 section 2.17).
  void close(Connection& c);
  /// Resets the other side; the caller has no more to do with it.
  void abort(Connection& c);

  /// Does what is due; after set_time().
  void advance();
  /// Sends what is to be sent; after a burst of the calls above.
  void flush();
  /// When advance() is to be called at the latest; kNever: not before something comes.
  Nanoseconds next_deadline() const { return wheel_.next(); }

 private:
  static constexpr uint32_t kHalfOpenShare = 4;  // of the table one in so many may be half-open

  struct Nodes {
    Connection* connections;
    WheelNode& operator()(uint32_t index) const { return connections[index].timer; }
  };

  Connection* find(const Tuple& tuple) const { return find(tuple, flow_hash(tuple, secrets_.table)); }
  Connection* find(const Tuple& tuple, uint64_t hash) const;
  Connection* allocate(const Tuple& tuple);
  void unlist(Connection& c);
  void forget(Connection& c);
  bool make_room();
  Fate take_new(Segment* frame, Arrival& arrival, uint16_t listener);
  Fate take_syn(Segment* frame, Arrival& syn, uint16_t listener, const Sequence* beyond);
  bool take_cookie(Arrival& ack, uint16_t listener);
  bool reuses(const Connection& c, const Arrival& syn) const;
  bool may_reopen(const Connection& c) const;
  Sequence replace(Connection& c);
  void settle(Connection& c);
  void set_timer(Connection& c);
  bool backlog_is_full(uint16_t listener) const;
  void leave_backlog(Connection& c);

  Context context_;
  const Secrets secrets_;
  uint32_t capacity_;
  uint32_t fresh_ = 0;  // connections [fresh_, capacity_) were never used
  uint32_t used_ = 0;
  uint32_t half_open_ = 0;  // of all listeners
  std::vector<uint32_t> free_;
  Region<std::byte> memory_;
  Connection* connections_;
  FlowIndex index_;
  TimerWheel<Nodes> wheel_;
  std::vector<Listener> listeners_;
  WaitList waiting_;
};

}  // namespace flatproxy::tcp
