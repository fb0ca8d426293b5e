#pragma once

namespace flatproxy::bench {

/// `classify-new-10k`: flows judged per second by 10,000 policies among 1,000 workloads in 250 groups.
void classify_new(int rounds);
/// `classify-1k-by-1k`: the same by one policy that lets 1,000 workloads talk to 1,000 others.
void classify_product(int rounds);
/// `policy-build-10k`: the time that the former's policies take to compile.
void policy_build(int rounds);

}  // namespace flatproxy::bench
