#include "support/frames.h"

#include <algorithm>
#include <cstring>

#include "packet/frame.h"
#include "wire/bytes.h"

namespace flatproxy::test {
namespace {

constexpr uint8_t kIcmp = 1, kTcp = 6, kUdp = 17, kFragmentHeader = 44, kIcmp6 = 58;

void put16(std::vector<uint8_t>& to, uint32_t v) {
  to.push_back(static_cast<uint8_t>(v >> 8));
  to.push_back(static_cast<uint8_t>(v));
}
void put32(std::vector<uint8_t>& to, uint32_t v) {
  put16(to, v >> 16);
  put16(to, v & 0xffff);
}
void set16(std::vector<uint8_t>& in, size_t at, uint16_t v) {
  in[at] = static_cast<uint8_t>(v >> 8);
  in[at + 1] = static_cast<uint8_t>(v);
}
uint16_t get16(const std::vector<uint8_t>& in, size_t at) { return static_cast<uint16_t>(in[at] << 8 | in[at + 1]); }

/// The plainest possible internet sum.
uint32_t sum(const uint8_t* p, size_t n, uint32_t start = 0) {
  uint64_t total = start;
  for (size_t i = 0; i < n; ++i) total += i % 2 == 0 ? p[i] << 8 : p[i];
  while (total >> 16 != 0) total = (total & 0xffff) + (total >> 16);
  return static_cast<uint32_t>(total);
}

uint32_t pseudo_sum(const uint8_t* addresses, size_t size, uint8_t protocol, size_t length) {
  const uint8_t tail[4] = {static_cast<uint8_t>(length >> 8), static_cast<uint8_t>(length), 0, protocol};
  return sum(tail, 4, sum(addresses, size));
}

/// Where things lie in a frame of ours: no VLAN, IPv4 options or extension headers but the fragment header.
struct Layout {
  bool v6;
  size_t l3 = 14;
  size_t l4;
  size_t l4_length;
  uint8_t protocol;
  bool later_fragment;
  bool any_fragment;
};
Layout layout(const std::vector<uint8_t>& f) {
  Layout l{};
  l.v6 = f[12] == 0x86;
  l.l3 = 14;
  if (l.v6) {
    l.protocol = f[20];
    l.l4 = 54;
    l.l4_length = get16(f, 18);
    if (l.protocol == kFragmentHeader) {
      l.protocol = f[54];
      l.later_fragment = (get16(f, 56) & 0xfff8) != 0;
      l.any_fragment = true;
      l.l4 += 8;
      l.l4_length -= 8;
    }
    return l;
  }
  l.protocol = f[23];
  l.l4 = 34;
  l.l4_length = get16(f, 16) - 20u;
  l.later_fragment = (get16(f, 20) & 0x1fff) != 0;
  l.any_fragment = (get16(f, 20) & 0x3fff) != 0;
  return l;
}

std::string address_text(const std::vector<uint8_t>& f, size_t at, bool v6) {
  return v6 ? wire::Address::from_v6(&f[at]).to_string() : wire::Address::from_v4(&f[at]).to_string();
}

}  // namespace

Frame& Frame::macs(const wire::Mac& source, const wire::Mac& destination) {
  source_mac_ = source;
  destination_mac_ = destination;
  return *this;
}
Frame& Frame::from(std::string_view address, uint16_t port) {
  source_ = wire::Address::parse(address).value();
  source_port_ = port;
  return *this;
}
Frame& Frame::to(std::string_view address, uint16_t port) {
  destination_ = wire::Address::parse(address).value();
  destination_port_ = port;
  return *this;
}
Frame& Frame::tcp(std::string_view flags, uint32_t sequence, uint32_t ack, uint16_t window) {
  constexpr std::string_view kNames = "FSRPAU";
  protocol_ = kTcp;
  flags_ = 0;
  for (const char c : flags) flags_ |= static_cast<uint8_t>(1 << kNames.find(c));
  sequence_ = sequence;
  ack_ = ack;
  window_ = window;
  return *this;
}
Frame& Frame::options(std::vector<uint8_t> bytes) {
  options_ = std::move(bytes);
  return *this;
}
Frame& Frame::udp() {
  protocol_ = kUdp;
  return *this;
}
Frame& Frame::no_checksum() {
  no_checksum_ = true;
  return *this;
}
Frame& Frame::echo(bool request, uint16_t identifier, uint16_t sequence) {
  const bool v6 = !source_.is_v4();
  protocol_ = v6 ? kIcmp6 : kIcmp;
  icmp_type_ = v6 ? (request ? 128 : 129) : (request ? 8 : 0);
  icmp_rest_ = uint32_t{identifier} << 16 | sequence;
  return *this;
}
Frame& Frame::icmp_error(uint8_t type, uint8_t code, const std::vector<uint8_t>& quoted_packet) {
  protocol_ = source_.is_v4() ? kIcmp : kIcmp6;
  icmp_type_ = type;
  icmp_code_ = code;
  payload_ = quoted_packet;
  return *this;
}
Frame& Frame::payload(std::string_view bytes) {
  payload_.assign(bytes.begin(), bytes.end());
  return *this;
}
Frame& Frame::payload_of(uint32_t size) {
  payload_.resize(size);
  for (uint32_t i = 0; i < size; ++i) payload_[i] = static_cast<uint8_t>(i * 7 + i / 256);
  return *this;
}
Frame& Frame::ttl(uint8_t hops) {
  ttl_ = hops;
  return *this;
}
Frame& Frame::dont_fragment() {
  dont_fragment_ = true;
  return *this;
}
Frame& Frame::fragment(uint16_t identification, uint32_t offset, uint32_t size) {
  fragmented_ = true;
  identification_ = identification;
  fragment_offset_ = offset;
  fragment_size_ = size;
  return *this;
}
Frame& Frame::needs_checksum() {
  needs_checksum_ = true;
  return *this;
}
Frame& Frame::gso(uint16_t size) {
  gso_size_ = size;
  needs_checksum_ = true;
  return *this;
}

std::vector<uint8_t> Frame::l4() const {
  std::vector<uint8_t> out;
  size_t field = 0;
  if (protocol_ == kTcp) {
    put16(out, source_port_);
    put16(out, destination_port_);
    put32(out, sequence_);
    put32(out, ack_);
    out.push_back(static_cast<uint8_t>((5 + options_.size() / 4) << 4));
    out.push_back(flags_);
    put16(out, window_);
    put32(out, 0);
    out.insert(out.end(), options_.begin(), options_.end());
    field = 16;
  } else if (protocol_ == kUdp) {
    put16(out, source_port_);
    put16(out, destination_port_);
    put16(out, static_cast<uint32_t>(8 + payload_.size()));
    put16(out, 0);
    field = 6;
  } else {
    out = {icmp_type_, icmp_code_, 0, 0};
    put32(out, icmp_rest_);
    field = 2;
  }
  out.insert(out.end(), payload_.begin(), payload_.end());
  if (no_checksum_) return out;
  const bool v4 = source_.is_v4();
  std::vector<uint8_t> addresses;
  for (const wire::Address* a : {&source_, &destination_}) {
    const uint8_t* p = v4 ? a->v4_bytes() : a->bytes.data();
    addresses.insert(addresses.end(), p, p + (v4 ? 4 : 16));
  }
  const uint32_t pseudo =
      protocol_ == kIcmp ? 0 : pseudo_sum(addresses.data(), addresses.size(), protocol_, out.size());
  if (needs_checksum_) {
    set16(out, field, static_cast<uint16_t>(pseudo));
    return out;
  }
  auto value = static_cast<uint16_t>(~sum(out.data(), out.size(), pseudo));
  if (protocol_ == kUdp && value == 0) value = 0xffff;
  set16(out, field, value);
  return out;
}

std::vector<uint8_t> Frame::packet() const {
  std::vector<uint8_t> body = l4();
  bool more = false;
  if (fragmented_) {
    const size_t end =
        fragment_size_ == 0 ? body.size() : std::min<size_t>(fragment_offset_ + fragment_size_, body.size());
    more = end < body.size();
    body = {body.begin() + fragment_offset_, body.begin() + static_cast<ptrdiff_t>(end)};
  }
  std::vector<uint8_t> out;
  if (source_.is_v4()) {
    out = {0x45, 0};
    put16(out, static_cast<uint32_t>(20 + body.size()));
    put16(out, identification_);
    put16(out, (dont_fragment_ ? 0x4000u : 0) | (more ? 0x2000u : 0) | fragment_offset_ / 8);
    out.push_back(ttl_);
    out.push_back(protocol_);
    put16(out, 0);
    out.insert(out.end(), source_.v4_bytes(), source_.v4_bytes() + 4);
    out.insert(out.end(), destination_.v4_bytes(), destination_.v4_bytes() + 4);
    set16(out, 10, static_cast<uint16_t>(~sum(out.data(), 20)));
  } else {
    out = {0x60, 0, 0, 0};
    put16(out, static_cast<uint32_t>(body.size() + (fragmented_ ? 8 : 0)));
    out.push_back(fragmented_ ? kFragmentHeader : protocol_);
    out.push_back(ttl_);
    out.insert(out.end(), source_.bytes.begin(), source_.bytes.end());
    out.insert(out.end(), destination_.bytes.begin(), destination_.bytes.end());
    if (fragmented_) {
      out.push_back(protocol_);
      out.push_back(0);
      put16(out, fragment_offset_ | (more ? 1 : 0));
      put32(out, identification_);
    }
  }
  out.insert(out.end(), body.begin(), body.end());
  return out;
}

std::vector<uint8_t> Frame::bytes() const {
  std::vector<uint8_t> out(destination_mac_.bytes.begin(), destination_mac_.bytes.end());
  out.insert(out.end(), source_mac_.bytes.begin(), source_mac_.bytes.end());
  put16(out, source_.is_v4() ? 0x0800 : 0x86dd);
  const std::vector<uint8_t> body = packet();
  out.insert(out.end(), body.begin(), body.end());
  return out;
}

Segment* Frame::build(Buffers& buffers) const {
  Segment* frame = buffers.small.allocate();
  const std::vector<uint8_t> all = bytes();
  if (frame == nullptr || !append(frame, all.data(), static_cast<uint32_t>(all.size()), buffers)) return nullptr;
  if (needs_checksum_) {
    frame->flags |= kNeedsChecksum;
    frame->checksum_start = static_cast<uint16_t>(source_.is_v4() ? 34 : 54);
    frame->checksum_offset = protocol_ == kTcp ? 16 : 6;
  }
  if (gso_size_ != 0) {
    frame->gso_size = gso_size_;
    frame->flags |= source_.is_v4() ? kGsoTcp4 : kGsoTcp6;
  }
  return frame;
}

std::vector<uint8_t> content(const Segment* frame) {
  std::vector<uint8_t> out(frame->frame_length);
  copy_out(frame, 0, out.data(), frame->frame_length);
  return out;
}

void tag(Segment* frame, uint16_t vlan) {
  uint8_t* start = frame->prepend(4);
  std::memmove(start, start + 4, 12);
  wire::store16(start + 12, 0x8100);
  wire::store16(start + 14, vlan);
  frame->checksum_start = static_cast<uint16_t>(frame->checksum_start + 4);
}

std::string describe(const Segment* frame) {
  const std::vector<uint8_t> f = content(frame);
  if (f.size() < 34 || (get16(f, 12) != 0x0800 && get16(f, 12) != 0x86dd))
    return "ether " + std::to_string(get16(f, 12));
  const Layout l = layout(f);
  const std::string source = address_text(f, l.l3 + (l.v6 ? 8 : 12), l.v6);
  const std::string destination = address_text(f, l.l3 + (l.v6 ? 24 : 16), l.v6);
  const std::string hops = " ttl=" + std::to_string(l.v6 ? f[21] : f[22]);
  if (l.later_fragment) return source + ">" + destination + " fragment" + hops;
  if (l.protocol != kTcp && l.protocol != kUdp) {
    return source + ">" + destination + " icmp " + std::to_string(f[l.l4]) + "/" + std::to_string(f[l.l4 + 1]) + hops;
  }
  std::string text =
      source + ":" + std::to_string(get16(f, l.l4)) + ">" + destination + ":" + std::to_string(get16(f, l.l4 + 2));
  if (l.protocol == kUdp) return text + " udp" + hops;
  text += " tcp ";
  for (int bit = 0; bit < 6; ++bit) {
    if ((f[l.l4 + 13] & 1 << bit) != 0) text += "FSRPAU"[bit];
  }
  return text + hops;
}

bool checksums_right(const Segment* frame) {
  const std::vector<uint8_t> f = content(frame);
  const Layout l = layout(f);
  if (!l.v6 && sum(&f[14], 20) != 0xffff) return false;
  if (l.any_fragment) return true;  // whoever puts the packet together checks it
  const size_t address = l.l3 + (l.v6 ? 8 : 12);
  const uint32_t pseudo = l.protocol == kIcmp ? 0 : pseudo_sum(&f[address], l.v6 ? 32 : 8, l.protocol, l.l4_length);
  if ((frame->flags & kNeedsChecksum) != 0) return get16(f, l.l4 + (l.protocol == kTcp ? 16 : 6)) == pseudo;
  if (l.protocol == kUdp && get16(f, l.l4 + 6) == 0) return !l.v6;
  if (sum(&f[l.l4], l.l4_length, pseudo) != 0xffff) return false;
  const bool v4_error = l.protocol == kIcmp && (f[l.l4] == 3 || f[l.l4] == 11);
  return !v4_error || sum(&f[l.l4 + 8], 20) == 0xffff;
}

}  // namespace flatproxy::test
