#include "addon/replay_api.h"

#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>

#include "addon/flow_bytes.h"
#include "addon/js_error.h"
#include "addon/js_plan.h"
#include "addon/js_signal.h"
#include "addon/replay_job.h"

namespace flatproxy {
namespace {

template <typename Each>
void for_each(const Napi::Value& list, Each&& each) {
  const auto array = list.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) each(array.Get(i).As<Napi::Object>());
}

ReplayOptions options_of(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  const auto port_of = [](const Napi::Object& at) {
    return static_cast<uint16_t>(at.Get("port").ToNumber().Uint32Value());
  };
  ReplayOptions options;
  for_each(object.Get("inputs"), [&](const Napi::Object& input) {
    options.inputs.push_back(
        {port_of(input), input.Get("path").ToString().Utf8Value(), input.Get("fd").ToNumber().Int32Value()});
  });
  for_each(object.Get("outputs"), [&](const Napi::Object& output) {
    options.outputs.push_back({port_of(output), output.Get("path").ToString().Utf8Value()});
  });
  options.seed = static_cast<uint64_t>(object.Get("seed").ToNumber().Int64Value());
  options.flow_capacity = object.Get("flowCapacity").ToNumber().Uint32Value();
  options.fill_snapped = object.Get("fillSnapped").ToBoolean();
  return options;
}

Napi::Float64Array numbers(Napi::Env env, size_t size) { return Napi::Float64Array::New(env, size); }

Napi::Value to_js(Napi::Env env, ReplayResult result) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("packets", static_cast<double>(result.packets));
  object.Set("snapped", static_cast<double>(result.snapped));
  object.Set("flowCount", static_cast<double>(result.flows->size()));
  object.Set("endedAt", static_cast<double>(result.last / 1'000'000));
  object.Set("now", clock_to_js(env, result.last));
  Napi::Float64Array reasons = numbers(env, kReasons);
  for (size_t i = 0; i < kReasons; ++i) reasons[i] = static_cast<double>(result.reasons[i]);
  object.Set("reasons", reasons);
  Napi::Float64Array policies = numbers(env, 2 * result.policies.size());
  for (size_t i = 0; i < result.policies.size(); ++i) {
    policies[2 * i] = static_cast<double>(result.policies[i].packets);
    policies[2 * i + 1] = static_cast<double>(result.policies[i].flows);
  }
  object.Set("policies", policies);
  using Spool = std::shared_ptr<FlowSpool>;
  object.Set("flows", Napi::External<Spool>::New(env, new Spool(std::move(result.flows)),
                                                 [](Napi::Env, Spool* spool) { delete spool; }));
  return object;
}

/// replay(plan, options): `{ done, cancel(), progress(): [packets, bytes] }`.
Napi::Value js_replay(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto job = ReplayJob::start(env, plan_of(info[0]), options_of(info[1]), to_js);
  Napi::Object object = Napi::Object::New(env);
  object.Set("done", job->promise());
  object.Set("cancel",
             Napi::Function::New(env, [job](const Napi::CallbackInfo&) { job->progress().cancelled = true; }));
  object.Set("progress", Napi::Function::New(env, [job](const Napi::CallbackInfo& call) -> Napi::Value {
               Napi::Array told = Napi::Array::New(call.Env(), 2);
               told.Set(0u, static_cast<double>(job->progress().packets.load()));
               told.Set(1u, static_cast<double>(job->progress().bytes.load()));
               return told;
             }));
  return object;
}

Napi::Value js_replayed_flows(const Napi::CallbackInfo& info) {
  const auto& spool = **info[0].As<Napi::External<std::shared_ptr<FlowSpool>>>().Data();
  std::vector<FlowBytes> flows;
  try {
    const auto first = static_cast<uint64_t>(info[1].ToNumber().Int64Value());
    for (const FlowRecord& flow : spool.read(first, info[2].ToNumber().Uint32Value())) flows.push_back(to_bytes(flow));
  } catch (...) {
    throw to_js_error(info.Env(), std::current_exception());
  }
  return to_js(info.Env(), flows);
}

/// pipe(): [readable, writable]; both are the caller's.
Napi::Value js_pipe(const Napi::CallbackInfo& info) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    throw js_error(info.Env(), "ERR_FLATPROXY_RESOURCE", "no file descriptor is left for a capture");
  }
  Napi::Array pair = Napi::Array::New(info.Env(), 2);
  pair.Set(0u, ends[0]);
  pair.Set(1u, ends[1]);
  return pair;
}

}  // namespace

void export_replay(Napi::Env env, Napi::Object exports) {
  exports.Set("replay", Napi::Function::New(env, js_replay, "replay"));
  exports.Set("replayedFlows", Napi::Function::New(env, js_replayed_flows, "replayedFlows"));
  exports.Set("pipe", Napi::Function::New(env, js_pipe, "pipe"));
}

}  // namespace flatproxy
