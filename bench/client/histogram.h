// Latencies in log-linear buckets: 128 to an octave, so that a value is known to 0.8 %, from 1 ns to 2^40 ns (18 min).
#pragma once

#include <stdint.h>
#include <stdio.h>

enum { kHalfBits = 7, kHalf = 1 << kHalfBits, kOctaves = 40, kBuckets = (kOctaves - kHalfBits + 1) * kHalf };

struct histogram {
  uint64_t counts[kBuckets];
  uint64_t total;
};

void histogram_add(struct histogram* h, uint64_t ns);

// The value, in ns, below or at which the share `q` of all lies; 0 when there are none.
uint64_t histogram_quantile(const struct histogram* h, double q);

// As JSON: [[upper bound in us, count], ...], empty buckets left out.
void histogram_print(const struct histogram* h, FILE* to);
