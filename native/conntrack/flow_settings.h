#pragma once

#include <cstdint>

namespace flatproxy {

/// How flows are tracked. Times in milliseconds; the timeouts' defaults stand in the mesh's schema.
struct FlowTimeouts {
  uint32_t tcp_syn_sent, tcp_syn_received, tcp_established, tcp_fin_wait, tcp_close_wait, tcp_last_ack, tcp_time_wait,
      tcp_close, udp, udp_assured, icmp, fragment;
};
struct FlowSettings {
  uint32_t capacity = 262144;   ///< flows of a lane
  bool adopt_midstream = true;  ///< a TCP segment without a flow, not a SYN, opens one
  bool track_all = true;        ///< false: only what a service takes is tracked, the rest is routed without state
  /// Of a flow of RoCEv2, so many within a second are an alarm; 0: never.
  uint32_t nak_alarm = 10;
  uint32_t cnp_alarm = 1000;
  FlowTimeouts timeouts{30'000,  30'000, 7'440'000, 120'000, 60'000, 30'000,
                        120'000, 10'000, 30'000,    180'000, 30'000, 30'000};
};

}  // namespace flatproxy
