#pragma once

#include <cstdint>
#include <memory>

#include "packet/tuple.h"
#include "tcp/byte_queue.h"
#include "tcp/congestion/congestion.h"
#include "tcp/flight.h"
#include "tcp/rack.h"
#include "tcp/reassembly.h"
#include "tcp/rtt.h"
#include "tcp/send_queue.h"
#include "tcp/sequence.h"
#include "tcp/timer_wheel.h"

namespace flatproxy::tcp {

/// RFC 9293 section 3.3.2, LISTEN apart: a listener is no connection.
enum class State : uint8_t {
  closed,
  syn_sent,
  syn_received,
  established,
  fin_wait_1,
  fin_wait_2,
  close_wait,
  closing,
  last_ack,
  time_wait,
};

/// Why a connection is no more.
enum class End : uint8_t {
  none,
  closed,           ///< both sides have closed, everything was acknowledged
  aborted,          ///< by its owner
  reset,            ///< by the other side
  refused,          ///< by the other side, before it was open
  connect_timeout,  ///< no answer to the SYN
  timeout,          ///< no acknowledgment, or no answer to keepalives
  unreachable,      ///< an ICMP error said so before the connection was open
};

/// What its owner is to look at; bits.
enum Event : uint8_t {
  kOpened = 1,      ///< the handshake is complete
  kReadable = 2,    ///< there are bytes to read, more than before
  kWritable = 4,    ///< there is room to send again
  kPeerClosed = 8,  ///< the other side sends no more; what it has sent may still be read
  kEnded = 16,      ///< the connection is no more: see Connection::end
};

enum Flag : uint32_t {
  kSackOk = 1 << 0,
  kTimestampsOk = 1 << 1,
  kScalingOk = 1 << 2,
  kEcnOk = 1 << 3,
  kEchoCongestion = 1 << 4,  ///< ECE until CWR comes
  kSayReduced = 1 << 5,      ///< CWR with the next new data
  kNoDelay = 1 << 6,         ///< no Nagle (RFC 9293 section 3.7.4)
  kCork = 1 << 7,            ///< only full segments
  kFinQueued = 1 << 8,       ///< a FIN follows what is queued
  kFinSent = 1 << 9,
  kFinSeen = 1 << 10,  ///< the other side's FIN is known: peer_fin
  kOrphan = 1 << 11,   ///< nobody owns it any more
  kAckNow = 1 << 12,
  kPassive = 1 << 13,      ///< opened by the other side
  kFullSend = 1 << 14,     ///< the owner waits for kWritable
  kHalfOpen = 1 << 15,     ///< counts in its listener's backlog
  kWaiting = 1 << 16,      ///< stands in the queue of those in TIME-WAIT
  kUnlisted = 1 << 17,     ///< has ended and is found no more
  kPaced = 1 << 18,        ///< waits for pace_at to send more
  kAckTails = 1 << 19,     ///< the last, odd segment of many is acknowledged at once
  kGettingMany = 1 << 20,  ///< segments were acknowledged since data of ours were sent
  kAnswersSoon = 1 << 21,  ///< the owner does, mostly: kAckSoon may wait a moment
  kAckSoon = 1 << 22,      ///< as kAckNow, but what is sent soon may carry it
};

/// What the retransmission timer stands for.
enum class Retransmit : uint8_t { none, timeout, tail_loss, reordering, persist };

/// What an owner has attached to its connection, and goes with it.
struct Attachment {
  virtual ~Attachment() = default;
};

/// A TCP connection (the TCB of RFC 9293 section 3.3.1). What is only needed while data are on their way or out of
/// order is elsewhere, so that an idle connection is small.
struct Connection {
  Tuple tuple;  ///< source: our side
  uint32_t index = 0;
  State state = State::closed;
  End end = End::none;
  uint8_t events = 0;  ///< Event
  uint8_t probes = 0;  ///< keepalives or window probes without an answer
  uint32_t flags = 0;  ///< Flag
  void* owner = nullptr;
  std::unique_ptr<Attachment> attached;
  Connection* next_ready = nullptr;
  Connection* next_dirty = nullptr;
  Connection* next_waiting = nullptr;  ///< in TIME-WAIT, in the order of their ends
  Connection* previous_waiting = nullptr;
  uint64_t path[3] = {};  ///< how its frames leave: the transmitter's to fill and to read
  bool ready = false;
  bool dirty = false;

  // Sending.
  uint8_t send_shift = 0;
  uint8_t backoff = 0;  ///< timeouts in a row
  Sequence iss = 0;
  Sequence una = 0;
  Sequence next = 0;
  uint32_t window = 0;      ///< the other side's, in bytes
  uint32_t max_window = 0;  ///< the largest it has ever been
  Sequence window_seq = 0;  ///< SND.WL1
  Sequence window_ack = 0;  ///< SND.WL2
  uint16_t peer_mss = 536;  ///< as the other side has said
  uint16_t mss = 536;       ///< payload bytes of a segment, with the options of every segment taken off
  uint16_t path_mtu = 0;
  uint16_t listener = 0;      ///< of a passive one
  uint8_t traffic_class = 0;  ///< DSCP
  SendQueue to_send;
  std::unique_ptr<Flight> flight;
  CongestionWindow congestion;
  Sequence small_end = 0;  ///< end of the last segment that was not full (Minshall's variant of Nagle)
  Rack rack;
  RoundTrip round_trip;

  // Receiving.
  uint8_t receive_shift = 0;
  uint8_t quick_acks = 0;  ///< segments still to be acknowledged at once
  uint8_t unacked_segments = 0;
  uint8_t challenges = 0;        ///< challenge ACKs since...
  uint32_t challenges_from = 0;  ///< ...this millisecond
  Sequence irs = 0;
  Sequence expected = 0;     ///< RCV.NXT
  Sequence window_edge = 0;  ///< right edge of the window that was offered
  Sequence last_ack_sent = 0;
  Sequence peer_fin = 0;
  uint32_t receive_limit = 0;  ///< window at most
  Sequence tune_from = 0;      ///< receive window tuning: what was taken, and when (microseconds), as the round began
  uint32_t tune_at = 0;
  ByteQueue received;
  std::unique_ptr<Reassembly> ahead;
  wire::SackBlock duplicate{};    ///< to report in the next acknowledgment (RFC 2883), if not empty
  uint32_t recent_timestamp = 0;  ///< TS.Recent
  uint32_t recent_at = 0;         ///< when it came, seconds
  uint32_t timestamp_offset = 0;

  // Time.
  Retransmit retransmit = Retransmit::none;
  Nanoseconds retransmit_at = kNever;
  Nanoseconds ack_at = kNever;
  Nanoseconds life_at = kNever;  ///< keepalive, TIME-WAIT, FIN-WAIT-2, SYN
  uint32_t pace_at = 0;          ///< microseconds: until when what was sent last is paid for
  uint32_t user_timeout = 0;     ///< milliseconds (RFC 5482)
  uint32_t stalled_since = 0;    ///< milliseconds: since when something waits for an acknowledgment
  uint32_t last_received = 0;    ///< milliseconds
  uint32_t last_sent = 0;        ///< milliseconds, of data
  WheelNode timer;

  bool has(Flag flag) const { return (flags & flag) != 0; }
  void set(Flag flag) { flags |= flag; }
  void unset(Flag flag) { flags &= ~uint32_t{flag}; }
  bool synchronized() const { return state >= State::established; }
  /// The other side's FIN has been taken.
  bool peer_closed() const {
    return state == State::close_wait || state == State::closing || state == State::last_ack ||
           state == State::time_wait;
  }
  uint32_t in_flight() const { return next - una; }
};
/// With its entry in the table, 512 bytes.
static_assert(sizeof(Connection) <= 496);

}  // namespace flatproxy::tcp
