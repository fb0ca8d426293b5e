#include "tls_rows.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "row.h"
#include "tcp/byte_queue.h"
#include "tls/record.h"
#if defined(__x86_64__)
#include "tls/ipsec_mb.h"
#endif

namespace flatproxy::bench {
namespace {

using tcp::ByteQueue;

constexpr uint32_t kRecords = 32;  // between two looks at the clock
constexpr uint32_t kLarge = tls::kMaxPlaintext;
constexpr uint32_t kSmall = 1024;

tls::TrafficKeys keys() {
  tls::TrafficKeys keys;
  std::memset(keys.key.data(), 7, tls::kMaxKeySize);
  return keys;
}

/// Runs batches of kRecords, of which `prepare` does not count, and returns bits of content a second.
double rate(uint32_t size, const std::function<void()>& prepare, const std::function<bool()>& batch) {
  double spent = 0;
  uint64_t records = 0;
  for (const double end = seconds() + kDuration; seconds() < end; records += kRecords) {
    prepare();
    const double start = seconds();
    if (!batch()) {
      std::fprintf(stderr, "engine_bench: a record was refused\n");
      std::exit(1);
    }
    spent += seconds() - start;
  }
  return static_cast<double>(records) * size * 8 / spent;
}

/// The library alone: one call for each text.
class Library {
 public:
  explicit Library(tls::Direction direction) : direction_(direction) {
#if defined(__x86_64__)
    tls::ipsec_mb().gcm128.expand(keys().key.data(), &key_);
#else
    key_ = tls::best_engine(tls::Suite::aes_128_gcm).engine->make(keys(), direction);
#endif
  }
  bool run(std::vector<uint8_t>& text) {
    constexpr uint8_t kNonce[tls::kNonceSize] = {};
    constexpr uint8_t kAad[tls::kRecordHeaderSize] = {};
    uint8_t tag[tls::kTagSize];
#if defined(__x86_64__)
    gcm_context_data context;
    const auto& gcm = tls::ipsec_mb().gcm128;
    const auto call = direction_ == tls::Direction::seal ? gcm.seal : gcm.open;
    call(&key_, &context, text.data(), text.data(), text.size(), kNonce, kAad, sizeof(kAad), tag, sizeof(tag));
#else
    const tls::Piece piece{text.data(), static_cast<uint32_t>(text.size())};
    if (direction_ == tls::Direction::seal) return key_->seal(kNonce, kAad, {&piece, 1}, tag);
    key_->open(kNonce, kAad, {&piece, 1}, tag);  // of no meaning, and refused, at the same cost
#endif
    return true;
  }

 private:
  tls::Direction direction_;
#if defined(__x86_64__)
  alignas(64) gcm_key_data key_;
#else
  std::unique_ptr<tls::RecordKey> key_;
#endif
};

double library_rate(tls::Direction direction, uint32_t size) {
  Library library(direction);
  std::vector<std::vector<uint8_t>> texts(kRecords, std::vector<uint8_t>(size));
  return rate(
      size, [] {},
      [&] {
        for (auto& text : texts) library.run(text);
        return true;
      });
}

struct Records {
  Buffers buffers;
  tls::RecordSealer sealer;
  tls::RecordOpener opener;

  void start() {
    if (sealer.set_keys(keys()) && opener.set_keys(keys())) return;
    std::fprintf(stderr, "engine_bench: no keys\n");
    std::exit(1);
  }
  /// A record's content in one segment, as it was received: a large one has no room at its ends.
  ByteQueue content(uint32_t size) {
    Segment* segment = size == kLarge ? buffers.large.allocate(0) : buffers.small.allocate();
    segment->length = size;
    ByteQueue content;
    content.push(segment);
    return content;
  }
  bool seal(ByteQueue&& plain, ByteQueue& out) {
    return sealer.seal(tls::ContentType::application_data, std::move(plain), out, buffers) ==
           tls::RecordSealer::Sealed::done;
  }
};

double seal_rate(uint32_t size) {
  Records records;
  records.start();
  std::vector<ByteQueue> plain(kRecords);
  std::vector<ByteQueue> out(kRecords);
  return rate(
      size,
      [&] {
        for (auto& queue : out) queue.clear();
        for (auto& queue : plain) queue = records.content(size);
      },
      [&] {
        for (uint32_t i = 0; i < kRecords; ++i)
          if (!records.seal(std::move(plain[i]), out[i])) return false;
        return true;
      });
}

/// The records of a batch as a stream that is cut into large segments.
ByteQueue stream_of(Records& records) {
  ByteQueue sealed;
  for (uint32_t i = 0; i < kRecords; ++i) records.seal(records.content(kLarge), sealed);
  ByteQueue stream;
  while (!sealed.empty()) {
    Segment* segment = records.buffers.large.allocate(0);
    segment->length = sealed.copy_out(segment->data, segment->capacity);
    stream.push(segment);
  }
  return stream;
}

double open_rate() {
  Records records;
  records.start();
  ByteQueue in;
  std::vector<ByteQueue> plain(kRecords);
  return rate(
      kLarge,
      [&] {
        for (auto& queue : plain) queue.clear();
        in = stream_of(records);
      },
      [&] {
        tls::ContentType type{};
        for (auto& queue : plain)
          if (records.opener.open(in, queue, type, records.buffers) != tls::RecordOpener::Opened::record) return false;
        return in.empty();
      });
}

void print_beside_library(const char* name, int rounds, const std::function<double()>& ours,
                          const std::function<double()>& library) {
  Row row{name, "bit/s", true, {}, {}};
  Row library_row{std::string(name) + "-library", "bit/s", true, {}, {}};
  for (int i = 0; i < rounds; ++i) {
    row.rounds.push_back(ours());
    library_row.rounds.push_back(library());
  }
  print(row);
  print(library_row);
}

}  // namespace

void tls_seal_large(int rounds) {
  print_beside_library(
      "tls-seal-16k", rounds, [] { return seal_rate(kLarge); },
      [] { return library_rate(tls::Direction::seal, kLarge); });
}

void tls_open_large(int rounds) {
  print_beside_library("tls-open-16k", rounds, open_rate, [] { return library_rate(tls::Direction::open, kLarge); });
}

void tls_seal_small(int rounds) {
  print_beside_library(
      "tls-seal-1k", rounds, [] { return seal_rate(kSmall); },
      [] { return library_rate(tls::Direction::seal, kSmall); });
}

}  // namespace flatproxy::bench
