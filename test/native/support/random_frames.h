#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "support/frames.h"
#include "support/random_mesh.h"
#include "support/world.h"
#include "wire/arp.h"

namespace flatproxy::test {

/// A frame that comes by one of a World's ports.
struct SentFrame {
  unsigned port = 0;  ///< the World's, by which it is sent; behind the others: the node's own stack
  std::vector<uint8_t> bytes;
  bool first_packet = false;  ///< it is `packet`, well-formed
  FirstPacket packet;

  uint16_t id() const { return packet.port; }
};

/// Frames of all kinds between the addresses of a random mesh, well-formed or not, among them such as belong to what
/// earlier ones have opened.
class RandomFrames {
 public:
  RandomFrames(RandomMesh& mesh, World& world) : mesh_(mesh), world_(world) {}

  SentFrame next() {
    SentFrame frame;
    frame.packet = below(3) == 0 && !sent_.empty() ? sent_[below(static_cast<uint32_t>(sent_.size()))] : mesh_.packet();
    if (below(3) == 0) turn(frame.packet);
    if (mesh_.options.listeners != "[]" && below(5) == 0) send_to_listener(frame.packet);
    answers_ = below(5) == 0 && !seen_.empty();
    if (answers_) frame.packet = seen_[below(static_cast<uint32_t>(seen_.size()))].packet;
    frame.port = world_port(frame.packet.port);
    fill(frame);
    // To us, unless it says otherwise.
    const std::vector<uint8_t> whole = frame.bytes;
    if (below(30) == 0) frame.bytes[0] |= 1;
    if (below(30) == 0) frame.bytes[5] ^= 0x40;
    if (below(4) == 0) damage(frame);
    if (below(30) == 0) frame.bytes.resize(below(static_cast<uint32_t>(frame.bytes.size())) + 1);
    frame.first_packet &= frame.bytes == whole;
    return frame;
  }

  /// A frame that has left by a port: TCP of it may be answered.
  void saw(unsigned port, const Segment* frame) {
    std::vector<uint8_t> bytes = content(frame);
    Seen seen;
    if (bytes.size() > 58 && bytes[12] == 0x81) {
      seen.packet.vlan = wire::load16(&bytes[14]) & 0xfff;
      bytes.erase(bytes.begin() + 12, bytes.begin() + 16);
    }
    if (bytes.size() < 54 || bytes[12] != 8 || bytes[13] != 0 || bytes[23] != kTcp || (bytes[47] & 2) == 0 ||
        seen_.size() == 50)
      return;
    seen.packet.port = static_cast<uint16_t>(port == 4 ? host_side(0) : port);
    seen.packet.tuple = {wire::Address::from_v4(&bytes[30]),
                         wire::Address::from_v4(&bytes[26]),
                         wire::load16(&bytes[36]),
                         wire::load16(&bytes[34]),
                         kTcp,
                         4};
    seen.sequence = wire::load32(&bytes[42]);
    seen.acknowledgment = wire::load32(&bytes[38]) + 1;
    seen.flags = (bytes[47] & 16) != 0 ? "A" : "SA";
    seen_.push_back(seen);
  }

 private:
  struct Seen {
    FirstPacket packet;  // the answer
    uint32_t sequence = 0;
    uint32_t acknowledgment = 0;
    const char* flags = "";
  };

  uint32_t below(uint32_t n) { return mesh_.below(n); }

  static unsigned world_port(uint16_t id) { return id == host_side(0) ? 4 : id; }

  void send_to_listener(FirstPacket& packet) {
    packet.roce.reset();
    packet.tuple = {*wire::Address::parse("10.0.0." + std::to_string(30 + below(2))),
                    *wire::Address::parse(below(2) == 0 ? "10.8.0.1" : "192.0.2.9"),
                    static_cast<uint16_t>(40000 + below(3)),
                    80,
                    kTcp,
                    4};
    packet.port = 0;
  }

  /// The answer to it, by any port.
  void turn(FirstPacket& packet) {
    packet.tuple = packet.tuple.reversed();
    packet.port = static_cast<uint16_t>(below(4));
    packet.roce.reset();
  }

  void fill(SentFrame& frame) {
    switch (below(12)) {
      case 0:
        return write_link_message(frame);
      case 1:
        return write_error(frame);
      case 2:
        return write_other(frame);
      case 3:
        return write_tagged(frame);
      case 4:
        return write_fragment(frame);
      case 5:
        return write(frame, frame_of(frame.packet).payload_of(1400 + below(200)));
      case 6:
        return write(frame, frame_of(frame.packet).ttl(static_cast<uint8_t>(below(3))));
      case 7:
      case 8:
      case 9:
        if (frame.packet.tuple.protocol == kTcp) return write(frame, segment(frame.packet));
        [[fallthrough]];
      default:
        if (sent_.size() < 200) sent_.push_back(frame.packet);
        write(frame, frame_of(frame.packet));
        frame.first_packet = true;
    }
  }

  void write(SentFrame& frame, Frame content) {
    frame.bytes = content.macs(peer_mac(frame.port), world_.mac(frame.port)).bytes();
    if (frame.packet.vlan != 0) tag(frame, frame.packet.vlan);
  }

  /// Of few packets, so that some belong together.
  void write_fragment(SentFrame& frame) {
    if (!sent_.empty()) frame.packet = sent_[below(std::min(3u, static_cast<uint32_t>(sent_.size())))];
    if (mesh_.options.listeners != "[]" && below(3) == 0) send_to_listener(frame.packet);
    frame.port = world_port(frame.packet.port);
    Frame whole = frame_of(frame.packet).payload_of(40);
    write(frame, whole.fragment(static_cast<uint16_t>(below(3)), 8 * below(3), 8 * below(5)));
  }

  /// Of a connection at any time of its life: the sequence numbers that SYNs have, and others.
  Frame segment(const FirstPacket& packet) {
    const std::string flags[] = {"A", "SA", "R", "RA", "FA", "PA", "S", "F"};
    Frame frame = frame_of(packet);
    if (answers_) {
      for (const Seen& seen : seen_) {
        if (seen.packet.tuple == packet.tuple) return frame.tcp(seen.flags, seen.sequence, seen.acknowledgment);
      }
    }
    frame.tcp(flags[below(8)], 98 + below(5), below(2) == 0 ? 101 : below(1000), static_cast<uint16_t>(below(65536)));
    if (below(3) == 0) frame.payload_of(below(30));
    if (below(4) == 0) frame.options({8, static_cast<uint8_t>(8 + below(5)), 0, 0});
    return frame;
  }

  void write_link_message(SentFrame& frame) {
    frame.packet.vlan = 0;
    const Tuple& tuple = frame.packet.tuple;
    if (tuple.family == 6) return write_solicitation(frame);
    wire::Arp arp{below(3) == 0 ? wire::Arp::kReply : wire::Arp::kRequest,
                  peer_mac(frame.port),
                  tuple.source,
                  {},
                  below(5) == 0 ? tuple.source : tuple.destination};
    if (below(4) == 0) arp.target_mac = world_.mac(frame.port);
    start(frame, 0x0806);
    frame.bytes.resize(14 + wire::kArpSize);
    arp.emit({&frame.bytes[14], wire::kArpSize});
  }

  /// As an error of a type that asks, with the target for what is behind the header.
  void write_solicitation(SentFrame& frame) {
    const Tuple& tuple = frame.packet.tuple;
    const wire::Address& target = tuple.destination;
    std::vector<uint8_t> body(target.bytes.begin(), target.bytes.end());
    if (below(2) == 0) {
      const wire::Mac mac = peer_mac(frame.port);
      body.insert(body.end(), {1, 1});
      body.insert(body.end(), mac.bytes.begin(), mac.bytes.end());
    }
    Frame content;
    content.from(tuple.source.to_string()).to(tuple.destination.to_string());
    write(frame, content.icmp_error(below(4) == 0 ? 136 : 135, 0, body).ttl(below(8) == 0 ? 64 : 255));
  }

  void write_error(SentFrame& frame) {
    const Tuple& tuple = frame.packet.tuple;
    const bool v4 = tuple.family == 4;
    FirstPacket quoted = frame.packet;
    quoted.tuple = tuple.reversed();
    std::vector<uint8_t> packet = frame_of(quoted).packet();
    packet.resize(std::min<size_t>(packet.size(), 20 + below(60)));
    Frame content;
    content.from(tuple.source.to_string()).to(tuple.destination.to_string());
    const uint8_t types4[] = {3, 11, 12, 5}, types6[] = {1, 2, 3, 4};
    write(frame, content.icmp_error(v4 ? types4[below(4)] : types6[below(4)], static_cast<uint8_t>(below(5)), packet));
  }

  /// Another protocol behind an IP header, or none at all.
  void write_other(SentFrame& frame) {
    if (below(3) == 0) {
      start(frame, static_cast<uint16_t>(0x8800 + below(256)));
      frame.bytes.resize(60);
      return;
    }
    frame.packet.vlan = 0;
    FirstPacket packet = frame.packet;
    if (packet.tuple.family == 4) packet.tuple.protocol = kUdp;
    packet.roce.reset();
    write(frame, frame_of(packet).payload_of(40));
    if (packet.tuple.family == 6) return;
    // The sum of the header's word stays: what the protocol loses, the identification gains.
    const uint8_t protocol = below(2) == 0 ? 2 : 47;
    const auto moved = static_cast<uint8_t>(frame.bytes[23] - protocol);
    frame.bytes[19] = static_cast<uint8_t>(frame.bytes[19] + moved);
    frame.bytes[23] = protocol;
  }

  void write_tagged(SentFrame& frame) {
    // At times a second one.
    if (below(4) != 0) frame.packet.vlan = 0;
    write(frame, frame_of(frame.packet));
    tag(frame, static_cast<uint16_t>(below(3) == 0 ? below(65536) : below(8) << 13));
  }

  static void tag(SentFrame& frame, uint16_t tag) {
    const uint8_t bytes[] = {0x81, 0, static_cast<uint8_t>(tag >> 8), static_cast<uint8_t>(tag)};
    frame.bytes.insert(frame.bytes.begin() + 12, std::begin(bytes), std::end(bytes));
  }

  void start(SentFrame& frame, uint16_t ether_type) {
    frame.bytes.resize(14);
    wire::store_mac(frame.bytes.data(), world_.mac(frame.port));
    wire::store_mac(&frame.bytes[6], peer_mac(frame.port));
    wire::store16(&frame.bytes[12], ether_type);
  }

  /// Some bytes of its headers, whose checksums may still be right.
  void damage(SentFrame& frame) {
    for (uint32_t i = below(3); i < 3; ++i) {
      const uint32_t headers = std::min<uint32_t>(static_cast<uint32_t>(frame.bytes.size()), 80);
      frame.bytes[below(headers)] = static_cast<uint8_t>(below(256));
    }
  }

  RandomMesh& mesh_;
  World& world_;
  std::vector<FirstPacket> sent_;
  std::vector<Seen> seen_;
  bool answers_ = false;
};

}  // namespace flatproxy::test
