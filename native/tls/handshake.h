#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "tcp/byte_queue.h"
#include "tls/failure.h"
#include "tls/traffic_keys.h"

struct ssl_st;
struct bio_st;

namespace flatproxy::tls {

class ServerContext;

/// One direction's protection once the handshake is over.
struct Protection {
  TrafficKeys keys;
  TrafficSecret secret;   ///< TLS 1.3: what the keys were made of
  uint64_t sequence = 0;  ///< of the next record
};

/// What a handshake has agreed on.
struct Agreement {
  Protection read;
  Protection write;
  uint32_t max_plaintext = 16384;  ///< bytes of content in a record of ours (RFC 6066 section 4)
  bool resumed = false;
};

/// A server's handshake, done by libssl. It is fed whole records, and none beyond the handshake, so that all that comes
/// behind it is ours; what it says it leaves to be sent.
class Handshake {
 public:
  enum class Step : uint8_t { more, done, failed };

  /// @param context outlives it
  explicit Handshake(const ServerContext& context);
  ~Handshake();
  Handshake(const Handshake&) = delete;
  Handshake& operator=(const Handshake&) = delete;

  /// Takes whole records out of `in` and puts what is to be sent into `out`, the alert of a failure included.
  Step advance(tcp::ByteQueue& in, tcp::ByteQueue& out, Buffers& buffers);
  /// Why it has failed.
  Failure failure() const { return failure_; }
  /// What was agreed on, once it is done. False: the library keeps something to itself, or is out of memory.
  bool take(Agreement& to);

  /// For libssl's callbacks: a line of its key log, and what it sends.
  void log_secret(std::string_view line);
  void saw_sent(int content_type, const uint8_t* bytes, size_t n);
  static Handshake* of(const ssl_st* ssl);

 private:
  Step step(tcp::ByteQueue& in);
  Step go_on();
  Step fail(Failure why);
  bool drain(tcp::ByteQueue& out, Buffers& buffers);
  bool take_tls13(Agreement& to, Suite suite);
  bool take_tls12(Agreement& to, Suite suite);

  ssl_st* ssl_;
  bio_st* in_ = nullptr;  // ssl_ owns both
  bio_st* out_ = nullptr;
  TrafficSecret client_secret_;  // TLS 1.3
  TrafficSecret server_secret_;
  uint32_t sent_under_keys_ = 0;  // records of ours behind our Finished
  bool finished_sent_ = false;
  Failure failure_ = Failure::none;
};

}  // namespace flatproxy::tls
