#include "addon/shadow_api.h"

#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "addon/engine_handle.h"
#include "addon/flow_bytes.h"
#include "addon/js_explanation.h"
#include "addon/js_plan.h"
#include "lane/shadow.h"
#include "lane/stand_in.h"

namespace flatproxy {
namespace {

/// A shadow, and what it is beside. Used on the control thread alone.
struct LiveShadow {
  std::unique_ptr<Shadow> shadow;
  uint64_t generation = 0;  ///< of the snapshot in force that its own is built on
};
using SharedShadow = std::shared_ptr<LiveShadow>;

SharedShadow shadow_of(const Napi::Value& value) { return *value.As<Napi::External<SharedShadow>>().Data(); }

/// Returns the last millisecond that is over on every lane.
uint32_t end_of_millisecond(Engine& engine) {
  engine.meet_lanes();
  const uint32_t since = FlowStage::milliseconds(engine.now());
  while (FlowStage::milliseconds(engine.now()) == since) std::this_thread::sleep_for(std::chrono::microseconds(50));
  return since;
}

/// Events come already: flows that open later than `since` are told by them, all others stand in the tables.
void begin(LiveShadow& live, Engine& engine, const std::string& plan) {
  const Snapshot& in_force = *engine.snapshot();
  auto snapshot = build_shadow(plan, in_force);
  const uint32_t since = end_of_millisecond(engine);
  live.shadow = std::make_unique<Shadow>(engine.shared().health, std::move(snapshot), since);
  live.generation = in_force.generation;
}

Napi::Value js_begin_shadow(const Napi::CallbackInfo& info) {
  EngineHandle& handle = EngineHandle::unwrap(info[0]);
  const auto live = std::make_shared<LiveShadow>();
  return handle.run(
      info.Env(),
      [&session = handle.session(), live, plan = plan_of(info[1])] { begin(*live, session.engine(), plan); },
      [live](Napi::Env env) -> Napi::Value {
        return Napi::External<SharedShadow>::New(env, new SharedShadow(live),
                                                 [](Napi::Env, SharedShadow* owned) { delete owned; });
      });
}

Napi::Value js_replace_shadow(const Napi::CallbackInfo& info) {
  EngineHandle& handle = EngineHandle::unwrap(info[0]);
  const auto replace = [&session = handle.session(), live = shadow_of(info[1]), plan = plan_of(info[2])] {
    const Snapshot& in_force = *session.engine().snapshot();
    live->shadow->replace(build_shadow(plan, in_force));
    live->generation = in_force.generation;
  };
  return handle.run(info.Env(), replace, [](Napi::Env env) -> Napi::Value { return env.Undefined(); });
}

std::vector<FlowBytes> bytes_of(const Napi::Value& value) {
  auto buffer = value.As<Napi::ArrayBuffer>();
  std::vector<FlowBytes> flows(buffer.ByteLength() / sizeof(FlowBytes));
  if (!flows.empty()) std::memcpy(flows.data(), buffer.Data(), flows.size() * sizeof(FlowBytes));
  return flows;
}

std::vector<Shadow::Difference> judge(Shadow& shadow, const Snapshot& now, const std::vector<FlowBytes>& flows,
                                      bool are_events) {
  if (are_events) {
    std::vector<FlowEvent> events;
    for (const FlowBytes& bytes : flows) events.push_back(event_from_bytes(bytes));
    return shadow.judge_told(now, events);
  }
  std::vector<FlowRecord> records;
  for (const FlowBytes& bytes : flows) records.push_back(from_bytes(bytes));
  return shadow.judge_listed(now, records);
}

struct Judged {
  bool stale = false;
  uint64_t judged = 0;
  std::vector<Shadow::Difference> differences;
};

Napi::Object to_js(Napi::Env env, const Judged& result) {
  Napi::Array list = Napi::Array::New(env, result.differences.size());
  for (uint32_t i = 0; i < result.differences.size(); ++i) {
    const Shadow::Difference& each = result.differences[i];
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("flow", each.flow);
    entry.Set("now", to_js(env, each.now));
    entry.Set("then", to_js(env, each.then));
    list.Set(i, entry);
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("stale", result.stale);
  object.Set("judged", static_cast<double>(result.judged));
  object.Set("differences", list);
  return object;
}

Napi::Value js_judge_shadow(const Napi::CallbackInfo& info) {
  EngineHandle& handle = EngineHandle::unwrap(info[0]);
  const auto result = std::make_shared<Judged>();
  const auto work = [&session = handle.session(), live = shadow_of(info[1]), flows = bytes_of(info[2]),
                     are_events = info[3].ToBoolean().Value(), result] {
    const Snapshot& now = *session.engine().snapshot();
    result->stale = now.generation != live->generation;
    if (!result->stale) result->differences = judge(*live->shadow, now, flows, are_events);
    result->judged = live->shadow->judged();
  };
  return handle.run(info.Env(), work, [result](Napi::Env env) -> Napi::Value { return to_js(env, *result); });
}

}  // namespace

void export_shadow(Napi::Env env, Napi::Object exports) {
  exports.Set("beginShadow", Napi::Function::New(env, js_begin_shadow, "beginShadow"));
  exports.Set("replaceShadow", Napi::Function::New(env, js_replace_shadow, "replaceShadow"));
  exports.Set("judgeShadow", Napi::Function::New(env, js_judge_shadow, "judgeShadow"));
}

}  // namespace flatproxy
