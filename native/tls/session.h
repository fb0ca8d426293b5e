#pragma once

#include <cstdint>
#include <memory>

#include "tcp/byte_queue.h"
#include "tcp/connection.h"
#include "tls/failure.h"
#include "tls/handshake.h"
#include "tls/record.h"

namespace flatproxy::tls {

/// TLS of one connection: its ciphertext is what TCP carries, in it is what its owner writes and reads.
class Session : public tcp::Attachment {
 public:
  enum class Stage : uint8_t {
    handshake,
    open,
    failed,  ///< nothing is read or written any more but an alert that is on its way
  };

  /// @param context outlives the handshake
  Session(tcp::Connection& connection, std::shared_ptr<const ServerContext> context);

  Stage stage() const { return stage_; }
  Failure failure() const { return failure_; }
  bool resumed() const { return resumed_; }
  tcp::Connection& connection() const { return connection_; }

  /// Opens what has come, as long as little of it waits to be taken, and leaves the rest in `in`. What the peer is to
  /// be told goes into `out`.
  void read(tcp::ByteQueue& in, tcp::ByteQueue& out, Buffers& buffers);
  /// Seals what `pending` holds. False: there are no buffers for all of it.
  bool write(tcp::ByteQueue& out, Buffers& buffers);
  /// The last of what is written. False: there are no buffers for it.
  bool write_end(tcp::ByteQueue& out, Buffers& buffers);
  /// TCP carries no more of the peer's bytes.
  void end_of_bytes();

  tcp::ByteQueue plain;          ///< opened, for the owner to take
  tcp::ByteQueue pending;        ///< the owner's, to be sealed
  bool peer_has_closed = false;  ///< close_notify has come
  bool in_flush = false;         ///< stands among those whose bytes are to be sealed

 private:
  void go_on(tcp::ByteQueue& in, tcp::ByteQueue& out, Buffers& buffers);
  bool open(Agreement& agreed);
  bool has_room() const;
  bool read_record(tcp::ByteQueue& in, tcp::ByteQueue& out, Buffers& buffers);
  void take_alert(tcp::ByteQueue&& content);
  void take_handshake(tcp::ByteQueue&& content, tcp::ByteQueue& out, Buffers& buffers);
  void take_key_update(bool asked, tcp::ByteQueue& out, Buffers& buffers);
  bool update_keys(tcp::ByteQueue& out, Buffers& buffers);
  bool seal_some(tcp::ByteQueue& out, Buffers& buffers);
  uint32_t next_record() const;
  bool send_alert(uint8_t level, uint8_t description, tcp::ByteQueue& out, Buffers& buffers);
  void fail(Failure why, Alert alert, tcp::ByteQueue& out, Buffers& buffers);

  tcp::Connection& connection_;
  std::shared_ptr<const ServerContext> context_;  // while the handshake is under way
  std::unique_ptr<Handshake> handshake_;          // likewise, once there is something to read
  RecordOpener opener_;
  RecordSealer sealer_;
  TrafficSecret read_secret_;  // TLS 1.3
  TrafficSecret write_secret_;
  uint32_t max_plaintext_ = kMaxPlaintext;
  uint32_t written_ = 0;       // bytes, kSmallUntil at most: how large records may be
  uint16_t idle_records_ = 0;  // without a byte for the owner, one behind the other
  Stage stage_ = Stage::handshake;
  Failure failure_ = Failure::none;
  bool resumed_ = false;
};

}  // namespace flatproxy::tls
