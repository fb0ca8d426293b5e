#include "histogram.h"

// Values below 2 * kHalf have buckets of their own; above, each octave has kHalf.
static unsigned bucket_of(uint64_t ns) {
  if (ns >= 1ull << kOctaves) return kBuckets - 1;
  if (ns < 2 * kHalf) return (unsigned)ns;
  const unsigned shift = 63 - (unsigned)__builtin_clzll(ns) - kHalfBits;
  return shift * kHalf + (unsigned)(ns >> shift);
}

static uint64_t upper_bound(unsigned bucket) {
  if (bucket < 2 * kHalf) return bucket;
  const unsigned shift = bucket / kHalf - 1;
  return ((uint64_t)(kHalf + bucket % kHalf + 1) << shift) - 1;
}

void histogram_add(struct histogram* h, uint64_t ns) {
  ++h->counts[bucket_of(ns)];
  ++h->total;
}

uint64_t histogram_quantile(const struct histogram* h, double q) {
  const double wanted = q * (double)h->total;
  uint64_t seen = 0;
  for (unsigned i = 0; i < kBuckets; ++i) {
    seen += h->counts[i];
    if (seen != 0 && (double)seen >= wanted) return upper_bound(i);
  }
  return 0;
}

void histogram_print(const struct histogram* h, FILE* to) {
  const char* separator = "";
  fputc('[', to);
  for (unsigned i = 0; i < kBuckets; ++i) {
    if (h->counts[i] == 0) continue;
    fprintf(to, "%s[%.3f,%llu]", separator, (double)upper_bound(i) / 1e3, (unsigned long long)h->counts[i]);
    separator = ",";
  }
  fputc(']', to);
}
