#include "wire/tcp_options.h"

namespace flatproxy::wire {
namespace {

// One option, type and length included. False: the length is wrong for its type.
bool read_option(Bytes option, TcpOptions& into) {
  const uint8_t* content = option.data() + 2;
  switch (option[0]) {
    case TcpOptions::kMss:
      if (option.size() != 4) return false;
      into.mss = load16(content);
      return true;
    case TcpOptions::kWindowScale:
      if (option.size() != 3) return false;
      into.window_scale = content[0];
      return true;
    case TcpOptions::kSackPermitted:
      into.sack_permitted = true;
      return option.size() == 2;
    case TcpOptions::kTimestamps:
      if (option.size() != 10) return false;
      into.timestamps = {load32(content), load32(content + 4)};
      return true;
    case TcpOptions::kSack: {
      const size_t blocks = (option.size() - 2) / 8;
      if ((option.size() - 2) % 8 != 0 || blocks == 0 || blocks > TcpOptions::kMaxSackBlocks) return false;
      into.sack = {};
      into.sack_count = static_cast<uint8_t>(blocks);
      for (size_t i = 0; i < blocks; ++i) into.sack[i] = {load32(content + 8 * i), load32(content + 8 * i + 4)};
      return true;
    }
    default:
      return true;
  }
}

// The usual layout of timestamps in mid-connection: NOP NOP timestamps.
bool only_timestamps(Bytes bytes) { return bytes.size() == 12 && load32(bytes.data()) == 0x0101080a; }

uint8_t* begin_option(uint8_t* p, uint8_t nops, uint8_t type, size_t length) {
  while (nops-- > 0) *p++ = TcpOptions::kNop;
  *p++ = type;
  *p++ = static_cast<uint8_t>(length);
  return p;
}

}  // namespace

std::optional<TcpOptions> TcpOptions::parse(Bytes bytes) {
  TcpOptions options;
  if (!options.read(bytes)) return std::nullopt;
  return options;
}

bool TcpOptions::read(Bytes bytes) {
  if (only_timestamps(bytes)) {
    timestamps = {load32(&bytes[4]), load32(&bytes[8])};
    return true;
  }
  while (!bytes.empty() && bytes[0] != kEnd) {
    size_t length = 1;
    if (bytes[0] != kNop) {
      if (bytes.size() < 2) return false;
      length = bytes[1];
      if (length < 2 || length > bytes.size() || !read_option(bytes.first(length), *this)) return false;
    }
    bytes = bytes.subspan(length);
  }
  return true;
}

void TcpOptions::emit(MutableBytes out) const {
  uint8_t* p = out.data();
  if (mss) {
    p = begin_option(p, 0, kMss, 4);
    store16(p, *mss);
    p += 2;
  }
  // SACK-permitted and timestamps fill three words together, else each is padded in front.
  const uint8_t padding = sack_permitted && timestamps ? 0 : 2;
  if (sack_permitted) p = begin_option(p, padding, kSackPermitted, 2);
  if (timestamps) {
    p = begin_option(p, padding, kTimestamps, 10);
    store32(p, timestamps->value);
    store32(p + 4, timestamps->echo);
    p += 8;
  }
  if (window_scale) {
    p = begin_option(p, 1, kWindowScale, 3);
    *p++ = *window_scale;
  }
  if (sack_count > 0) {
    p = begin_option(p, 2, kSack, 2u + 8u * sack_count);
    for (uint8_t i = 0; i < sack_count; ++i, p += 8) {
      store32(p, sack[i].begin);
      store32(p + 4, sack[i].end);
    }
  }
}

}  // namespace flatproxy::wire
