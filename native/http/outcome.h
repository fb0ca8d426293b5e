#pragma once

#include <cstdint>

#include "packet/reason.h"

namespace flatproxy::http {

/// How an exchange has ended: what is counted and logged beside its status.
enum class Outcome : uint8_t {
  completed,
  bad_request,      ///< refused by the codec, or for its path
  no_route,         ///< no rule is for it
  answered,         ///< by a redirect or direct response of its rule
  no_backend,       ///< its rule leads nowhere
  no_endpoint,      ///< of its service
  overflow,         ///< a limit of connections, or of those who wait for one
  connect_failed,   ///< refused, unreachable, or too late
  endpoint_reset,   ///< the endpoint has ended its connection before the end of its response
  bad_response,     ///< refused by the codec
  request_timeout,  ///< of the rule, for the whole exchange
  backend_timeout,  ///< of the rule, for one try
  body_timeout,     ///< no byte has moved for too long
  client_gone,      ///< before it had its response
  draining,         ///< flatproxy stops
  no_buffers,
  policy_denied,        ///< policies do not let the client have the endpoint, or not any more:
  policy_rejected,      ///< as packets do, ...
  policy_default_deny,  ///< ...requests end in one of three reasons
};
constexpr uint32_t kOutcomes = static_cast<uint32_t>(Outcome::policy_default_deny) + 1;

/// Of what policies do not let pass.
Outcome outcome_of(Reason denial);

/// A word for each, as counters and logs name it: `no_route`.
const char* name_of(Outcome outcome);
/// The response flag that Envoy's access logs have for it: `NR`. Empty: none.
const char* flags_of(Outcome outcome);

}  // namespace flatproxy::http
