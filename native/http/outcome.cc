#include "http/outcome.h"

#include <array>
#include <cstddef>

namespace flatproxy::http {

const char* name_of(Outcome outcome) {
  static constexpr std::array<const char*, kOutcomes> kNames{
      "completed",       "bad_request",     "no_route",        "answered",           "no_backend",
      "no_endpoint",     "overflow",        "connect_failed",  "endpoint_reset",     "bad_response",
      "request_timeout", "backend_timeout", "body_timeout",    "client_gone",        "draining",
      "no_buffers",      "policy_denied",   "policy_rejected", "policy_default_deny"};
  return kNames[static_cast<size_t>(outcome)];
}

const char* flags_of(Outcome outcome) {
  static constexpr std::array<const char*, kOutcomes> kFlags{
      "", "DPE", "NR", "", "NC", "UH", "UO", "UF", "UC", "UPE", "UT", "UT", "SI", "DC", "LR", "OM", "", "", ""};
  return kFlags[static_cast<size_t>(outcome)];
}

Outcome outcome_of(Reason denial) {
  if (denial == Reason::policy_denied) return Outcome::policy_denied;
  return denial == Reason::policy_rejected ? Outcome::policy_rejected : Outcome::policy_default_deny;
}

}  // namespace flatproxy::http
