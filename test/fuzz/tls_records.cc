// The opener of TLS records: whatever comes, whole and in pieces, it reads the same records, then gives the same
// answer, and keeps no memory. An input is a letter for version and suite, three lengths of pieces, and the stream: as
// it is, or (capital letters) as a list of a length, and that many bytes to be sealed: content, type and padding of
// TLS 1.3.
#include <string>
#include <vector>

#include "http_pieces.h"
#include "tls/record.h"

namespace {

using namespace flatproxy;
using fuzz::require;
using tls::RecordOpener;

struct Context {
  Buffers buffers;
  fuzz::ExactSegments segments;
};

struct Record {
  tls::ContentType type;
  std::string content;

  bool operator==(const Record&) const = default;
};

/// What an opener made of a stream.
struct Reading {
  std::vector<Record> records;
  RecordOpener::Opened end = RecordOpener::Opened::incomplete;
  tls::Alert alert = tls::Alert::internal_error;

  bool operator==(const Reading&) const = default;
};

tls::TrafficKeys keys_for(uint8_t letter) {
  tls::TrafficKeys keys;
  keys.version = (letter & 4) != 0 ? tls::Version::tls13 : tls::Version::tls12;
  keys.suite = static_cast<tls::Suite>(letter % tls::kSuites);
  return keys;
}

/// A record of TLS 1.3 with this for its inner plaintext.
void seal(tls::RecordKey& key, uint8_t number, std::string inner, std::string& stream) {
  const size_t size = inner.size() + tls::kTagSize;
  const uint8_t header[] = {23, 3, 3, static_cast<uint8_t>(size >> 8), static_cast<uint8_t>(size)};
  uint8_t nonce[tls::kNonceSize] = {};
  nonce[tls::kNonceSize - 1] = number;
  uint8_t tag[tls::kTagSize];
  const tls::Piece piece{reinterpret_cast<uint8_t*>(inner.data()), static_cast<uint32_t>(inner.size())};
  require(key.seal(nonce, header, {&piece, 1}, tag));
  stream.append(header, header + sizeof(header)).append(inner).append(tag, tag + sizeof(tag));
}

std::string sealed(std::string_view list, const tls::TrafficKeys& keys) {
  const auto key = tls::libcrypto_engine().make(keys, tls::Direction::seal);
  std::string stream;
  for (uint8_t number = 0; number < 16 && list.size() > 1; ++number) {
    const size_t n = std::min<size_t>(static_cast<uint8_t>(list[0]), list.size() - 1);
    seal(*key, number, std::string(list.substr(1, n)), stream);
    list.remove_prefix(1 + n);
  }
  return stream.append(list);
}

Reading read(std::string_view bytes, const tls::TrafficKeys& keys, const fuzz::Lengths& lengths, Context& context) {
  Reading reading;
  RecordOpener opener;
  require(opener.set_keys(keys));
  tcp::ByteQueue in;
  fuzz::in_pieces(bytes, lengths, context.segments, [&](tcp::ByteQueue piece) {
    in.append(std::move(piece));
    while (reading.end != RecordOpener::Opened::error) {
      tls::ContentType type{};
      tcp::ByteQueue plain;
      reading.end = opener.open(in, plain, type, context.buffers);
      require(reading.end != RecordOpener::Opened::no_buffers);
      if (reading.end != RecordOpener::Opened::record) break;
      std::string content(plain.bytes(), '\0');
      plain.peek(reinterpret_cast<uint8_t*>(content.data()), plain.bytes());
      require(content.size() <= tls::kMaxPlaintext);
      reading.records.push_back({type, std::move(content)});
    }
  });
  if (reading.end == RecordOpener::Opened::error) reading.alert = opener.alert();
  return reading;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 4) return 0;
  static Context context;
  const bool list = data[0] >= 'A' && data[0] <= 'Z';
  tls::TrafficKeys keys = keys_for(data[0]);
  if (list) keys.version = tls::Version::tls13;
  std::string stream(reinterpret_cast<const char*>(data) + 4, size - 4);
  if (list) stream = sealed(stream, keys);
  const auto ways = fuzz::ways_to_cut(data + 1, stream.size());
  const Reading whole = read(stream, keys, ways[0], context);
  for (const fuzz::Lengths& lengths : ways) require(read(stream, keys, lengths, context) == whole);
  require(context.segments.alive() == 0 && context.buffers.loans.in_use() == 0 && context.buffers.small.in_use() == 0);
  return 0;
}
