#pragma once

#include <napi.h>

#include <vector>

#include "addon/flow_bytes.h"
#include "addon/pump.h"
#include "log/log_writer.h"
#include "packet/segment.h"

namespace flatproxy {

/// What the pump has collected, and what was told of exchanges, as `Signal` of lib/native.ts.
Napi::Object to_js(Napi::Env env, const Pump::Collected& collected, const LogWriter::Heard& heard, Nanoseconds now);

/// Flow records as an ArrayBuffer.
Napi::ArrayBuffer to_js(Napi::Env env, const std::vector<FlowBytes>& flows);

/// The lanes' clock as flow records tell it: milliseconds modulo 2^32.
Napi::Number clock_to_js(Napi::Env env, Nanoseconds now);

}  // namespace flatproxy
