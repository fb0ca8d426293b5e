#pragma once

namespace flatproxy::bench {

/// `roce-10k`: RoCEv2 packets per second, in turn of 10,000 queue pairs, all of them tracked: writes of one packet
/// each.
void roce(int rounds);

}  // namespace flatproxy::bench
