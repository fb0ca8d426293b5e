#pragma once

#include <napi.h>

#include "addon/session.h"

namespace flatproxy {

/// What counters are asked for, by the ids of a plan.
struct CountedIds {
  Napi::Uint32Array ports;
  Napi::Uint32Array services;
  Napi::Uint32Array listeners;
  Napi::Uint32Array routes;
  Napi::Uint32Array endpoints;
  Napi::Uint32Array policies;  ///< ids of their counters
};

/// The counters, summed over the lanes, in the order that `Addon.stats` of lib/native.ts tells.
Napi::Float64Array stats_to_js(Napi::Env env, Session& session, const CountedIds& ids);

/// Names of the counters of TCP, of a listener and of a policy, in their order.
Napi::Array tcp_counter_names(Napi::Env env);
Napi::Array listener_counter_names(Napi::Env env);
Napi::Array policy_counter_names(Napi::Env env);
/// Ends of exchanges, and what messages are refused for.
Napi::Array tls_failure_names(Napi::Env env);
Napi::Array http_outcome_names(Napi::Env env);
Napi::Array http_refusal_names(Napi::Env env);

}  // namespace flatproxy
