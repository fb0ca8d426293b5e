#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "packet/burst.h"
#include "packet/flow_hash.h"
#include "packet/reason.h"
#include "wire/address.h"

namespace flatproxy {

/// Lets fragments follow their flow without putting them together: the first fragment tells the ports, later ones
/// learn them here; those that come before the first wait for it, bounded in number and time.
class FragmentTable {
 public:
  static constexpr uint32_t kMaxPackets = 4096;         ///< fragmented packets known at a time
  static constexpr uint32_t kMaxWaiting = 1024;         ///< frames that wait for their first fragment, in all
  static constexpr uint32_t kMaxWaitingPerPacket = 48;  ///< a 64 KB packet in 1,400-byte pieces

  /// @param key secret: nobody can choose fragments that hash alike
  explicit FragmentTable(const HashKey& key) : packets_(kMaxPackets, Hash{key}) {}
  ~FragmentTable();

  /// Everything that belongs together hashes alike: source, destination, protocol, identification, zone (as Tuple's).
  uint64_t packet_hash(const Segment* fragment, uint16_t zone) const {
    return packets_.hash_function()(key_of(fragment, zone));
  }

  enum class Outcome : uint8_t {
    placed,   ///< l4_ports are set: go on. Frames that had waited for this one are in `released`
    waiting,  ///< the table holds the frame
    refused   ///< `why` tells
  };
  /// @param timeout milliseconds that an incomplete packet is remembered  @param released room for kMaxWaitingPerPacket
  Outcome place(Segment* fragment, uint16_t zone, uint32_t now, uint32_t timeout, std::vector<Segment*>& released,
                Reason& why);

  /// The ports that a later fragment would be given; nothing: it would wait.
  std::optional<uint32_t> ports_of(const Segment* fragment, uint16_t zone) const;

  /// Forgets what is over; frames that waited in vain come out.
  void expire(uint32_t now, std::vector<Segment*>& abandoned);
  uint32_t waiting() const { return waiting_; }

 private:
  struct Key {
    wire::Address source;
    wire::Address destination;
    uint32_t identification;
    uint8_t protocol;
    uint16_t zone;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    HashKey secret;
    size_t operator()(const Key& key) const;
  };
  struct Packet {
    bool first_seen = false;
    uint32_t ports = 0;
    uint32_t tcp_base = 0;  // sequence number of the byte at L4 offset 0
    uint32_t deadline = 0;
    std::vector<Segment*> waiting;
  };
  static Key key_of(const Segment* fragment, uint16_t zone);
  static void follow(Segment* fragment, const Packet& packet);
  static void learn(Packet& packet, const Segment* first);

  std::unordered_map<Key, Packet, Hash> packets_;
  uint32_t waiting_ = 0;
};

}  // namespace flatproxy
