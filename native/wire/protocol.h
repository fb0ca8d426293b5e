#pragma once

#include <cstdint>

namespace flatproxy::wire {

/// EtherTypes that flatproxy looks into.
namespace ether_type {
constexpr uint16_t kIpv4 = 0x0800;
constexpr uint16_t kArp = 0x0806;
constexpr uint16_t kVlan = 0x8100;
constexpr uint16_t kIpv6 = 0x86dd;
constexpr uint16_t kMpls = 0x8847;
constexpr uint16_t kMplsMulticast = 0x8848;
constexpr uint16_t kPppoe = 0x8864;  ///< its sessions (RFC 2516)
constexpr uint16_t kServiceVlan = 0x88a8;
constexpr uint16_t kOldServiceVlan = 0x9100;  ///< in use before 802.1ad
}  // namespace ether_type

/// IP protocol numbers, IPv6 extension headers among them.
namespace protocol {
constexpr uint8_t kHopByHop = 0;
constexpr uint8_t kIcmp = 1;
constexpr uint8_t kIgmp = 2;
constexpr uint8_t kTcp = 6;
constexpr uint8_t kUdp = 17;
constexpr uint8_t kRouting = 43;
constexpr uint8_t kFragment = 44;
constexpr uint8_t kAuthentication = 51;
constexpr uint8_t kIcmp6 = 58;
constexpr uint8_t kNoNext = 59;
constexpr uint8_t kDestinationOptions = 60;
}  // namespace protocol

}  // namespace flatproxy::wire
