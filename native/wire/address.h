#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace flatproxy::wire {

/// A 48-bit MAC address.
struct Mac {
  std::array<uint8_t, 6> bytes{};
  bool multicast() const { return (bytes[0] & 1) != 0; }
  bool zero() const { return *this == Mac{}; }
  auto operator<=>(const Mac&) const = default;
  std::string to_string() const;
};
constexpr Mac kBroadcastMac{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

/// An IPv4 or IPv6 address, 16 bytes in network order; IPv4 as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2).
struct alignas(8) Address {
  std::array<uint8_t, 16> bytes{};

  static Address from_v4(const void* network_order) {
    static_assert(std::endian::native == std::endian::little);
    uint32_t word;
    std::memcpy(&word, network_order, 4);
    // In whole words, as it will be read: what was written in smaller pieces is slow to read.
    const uint64_t words[2] = {0, uint64_t{word} << 32 | v4_marker()};
    Address a;
    std::memcpy(a.bytes.data(), words, 16);
    return a;
  }
  static Address from_v6(const void* network_order) {
    Address a;
    std::memcpy(a.bytes.data(), network_order, 16);
    return a;
  }
  /// "192.0.2.1", "2001:db8::1"; nothing else.
  static std::optional<Address> parse(std::string_view text);

  bool is_v4() const {
    uint64_t high;
    uint32_t middle;
    std::memcpy(&high, bytes.data(), 8);
    std::memcpy(&middle, &bytes[8], 4);
    return high == 0 && middle == v4_marker();
  }
  /// The IPv4 address as it lies in memory (network order).
  uint32_t v4() const {
    uint32_t word;
    std::memcpy(&word, &bytes[12], 4);
    return word;
  }
  const uint8_t* v4_bytes() const { return &bytes[12]; }
  bool unspecified() const;  ///< 0.0.0.0 or ::
  bool multicast() const;    ///< 224.0.0.0/4 or ff00::/8
  bool loopback() const;     ///< 127.0.0.0/8 or ::1
  bool link_local() const;   ///< 169.254.0.0/16 or fe80::/10
  std::string to_string() const;
  bool operator==(const Address& other) const {
    uint64_t a[2];
    uint64_t b[2];
    std::memcpy(a, bytes.data(), 16);
    std::memcpy(b, other.bytes.data(), 16);
    return ((a[0] ^ b[0]) | (a[1] ^ b[1])) == 0;
  }
  auto operator<=>(const Address&) const = default;

 private:
  static uint32_t v4_marker() {
    constexpr uint8_t marker[4] = {0, 0, 0xff, 0xff};
    uint32_t word;
    std::memcpy(&word, marker, 4);
    return word;
  }
};

/// An address with a prefix length, counted in the address's own family (0..32, 0..128).
struct Prefix {
  Address address;
  uint8_t length = 0;
  static std::optional<Prefix> parse(std::string_view text);  ///< "10.0.0.0/8"; a bare address is /32 or /128
  static Prefix of(const Address& a) { return {a, static_cast<uint8_t>(a.is_v4() ? 32 : 128)}; }  ///< it alone
  bool contains(const Address& a) const;
  Prefix network() const;  ///< with the bits behind the length zero
  std::string to_string() const;
  auto operator<=>(const Prefix&) const = default;
};

}  // namespace flatproxy::wire
