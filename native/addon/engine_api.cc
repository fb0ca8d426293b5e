#include "addon/engine_api.h"

#include <memory>
#include <string>
#include <vector>

#include "addon/engine_handle.h"
#include "addon/js_error.h"
#include "addon/js_frames.h"
#include "addon/js_plan.h"
#include "addon/js_signal.h"
#include "addon/js_stats.h"
#include "packet/reason.h"

namespace flatproxy {
namespace {

EngineOptions options_of(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  const auto cores = object.Get("cores").As<Napi::Array>();
  EngineOptions options;
  for (uint32_t i = 0; i < cores.Length(); ++i) options.cores.push_back(cores.Get(i).ToNumber().Int32Value());
  options.busy = object.Get("busy").ToBoolean();
  options.flow_capacity = object.Get("flowCapacity").ToNumber().Uint32Value();
  return options;
}

Napi::Value js_create_engine(const Napi::CallbackInfo& info) {
  const auto handle = EngineHandle::make(info.Env(), info[2].As<Napi::Function>());
  const auto ports = std::make_shared<Session::MemoryPorts>();
  Session& session = handle->session();
  const auto open = [&session, ports, options = options_of(info[0]), plan = plan_of(info[1])] {
    session.open(options, plan);
    *ports = session.memory_ports();
  };
  const auto finish = [handle, ports](Napi::Env env) -> Napi::Value {
    handle->session().adopt_memory_ports(*ports);
    return EngineHandle::wrap(env, handle);
  };
  return handle->open(info.Env(), open, finish);
}

Napi::Value js_apply(const Napi::CallbackInfo& info) {
  EngineHandle& handle = EngineHandle::unwrap(info[0]);
  struct Result {
    uint64_t pause;
    Session::MemoryPorts ports;
  };
  const auto result = std::make_shared<Result>();
  Session& session = handle.session();
  const auto apply = [&session, result, plan = plan_of(info[1])] {
    result->pause = session.apply(plan);
    result->ports = session.memory_ports();
  };
  const auto finish = [&handle, result](Napi::Env env) -> Napi::Value {
    if (handle.is_open()) handle.session().adopt_memory_ports(result->ports);
    return Napi::Number::New(env, static_cast<double>(result->pause));
  };
  return handle.run(info.Env(), apply, finish);
}

Napi::Value js_stats(const Napi::CallbackInfo& info) {
  const auto ids = [&](size_t argument) { return info[argument].As<Napi::Uint32Array>(); };
  return stats_to_js(info.Env(), EngineHandle::unwrap(info[0]).session(),
                     {ids(1), ids(2), ids(3), ids(4), ids(5), ids(6)});
}

Napi::Value js_list_flows(const Napi::CallbackInfo& info) {
  Session& session = EngineHandle::unwrap(info[0]).session();
  struct Page {
    std::vector<FlowBytes> flows;
    FlowId next;
    Nanoseconds now;
  };
  const auto page = std::make_shared<Page>();
  const uint32_t lane = info[1].ToNumber().Uint32Value();
  const FlowId cursor = info[2].ToNumber().Uint32Value();
  const uint32_t limit = info[3].ToNumber().Uint32Value();
  if (lane >= session.engine().lanes()) throw js_error(info.Env(), "ERR_FLATPROXY_ARGUMENT", "there is no such lane");
  const auto list = [&session, page, lane, cursor, limit] {
    std::vector<FlowRecord> records;
    page->next = session.engine().list_flows(lane, cursor, limit, records);
    page->now = session.engine().now();
    for (const FlowRecord& record : records) page->flows.push_back(to_bytes(record));
  };
  const auto finish = [page](Napi::Env env) -> Napi::Value {
    Napi::Object result = Napi::Object::New(env);
    result.Set("records", to_js(env, page->flows));
    result.Set("next", Napi::Number::New(env, page->next == kNoFlow ? -1.0 : page->next));
    result.Set("now", clock_to_js(env, page->now));
    return result;
  };
  return EngineHandle::unwrap(info[0]).run(info.Env(), list, finish);
}

Napi::Value js_want_events(const Napi::CallbackInfo& info) {
  EngineHandle::unwrap(info[0]).session().pump().want_events(info[1].ToBoolean());
  return info.Env().Undefined();
}

Napi::Value js_want_exchanges(const Napi::CallbackInfo& info) {
  EngineHandle::unwrap(info[0]).session().log_pump().want_exchanges(info[1].ToBoolean());
  return info.Env().Undefined();
}

Napi::Value js_reopen_log(const Napi::CallbackInfo& info) {
  EngineHandle& handle = EngineHandle::unwrap(info[0]);
  return handle.run(
      info.Env(), [&session = handle.session()] { session.reopen_log(); },
      [](Napi::Env env) -> Napi::Value { return env.Undefined(); });
}

MemoryEnd& memory_end(const Napi::CallbackInfo& info) {
  MemoryEnd* end = EngineHandle::unwrap(info[0]).session().memory_end(info[1].ToNumber().Uint32Value());
  if (end == nullptr) throw js_error(info.Env(), "ERR_FLATPROXY_CLOSED", "the port is gone");
  return *end;
}

Napi::Value js_send_frames(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), send_frames(memory_end(info), info[2].As<Napi::Array>()));
}

Napi::Value js_take_frames(const Napi::CallbackInfo& info) {
  MemoryEnd& end = memory_end(info);
  Napi::Array frames = take_frames(info.Env(), end);
  while (frames.Length() == 0) {
    if (end.arm()) {
      const auto id = static_cast<uint16_t>(info[1].ToNumber().Uint32Value());
      EngineHandle::unwrap(info[0]).session().pump().watch(id, end.port());
      break;
    }
    frames = take_frames(info.Env(), end);
  }
  return frames;
}

Napi::Value js_refuse_new(const Napi::CallbackInfo& info) {
  EngineHandle::unwrap(info[0]).session().engine().refuse_new(info[1].ToBoolean());
  return info.Env().Undefined();
}

Napi::Value js_drained(const Napi::CallbackInfo& info) {
  EngineHandle& handle = EngineHandle::unwrap(info[0]);
  Session& session = handle.session();
  const auto drained = std::make_shared<bool>();
  return handle.run(
      info.Env(), [&session, drained] { *drained = session.engine().drained(); },
      [drained](Napi::Env env) -> Napi::Value { return Napi::Boolean::New(env, *drained); });
}

Napi::Value js_ref(const Napi::CallbackInfo& info) {
  EngineHandle::unwrap(info[0]).keep_alive(info.Env(), info[1].ToBoolean());
  return info.Env().Undefined();
}

Napi::Value js_close(const Napi::CallbackInfo& info) { return EngineHandle::unwrap(info[0]).close(info.Env()); }

Napi::Array reasons(Napi::Env env) {
  Napi::Array list = Napi::Array::New(env, kReasons);
  for (uint32_t i = 0; i < kReasons; ++i) {
    const ReasonInfo& reason = flatproxy::info(static_cast<Reason>(i));
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("name", std::string(reason.name));
    entry.Set("verdict", std::string(kVerdictNames[static_cast<size_t>(reason.verdict)]));
    list.Set(i, entry);
  }
  return list;
}

Napi::Array states(Napi::Env env) {
  Napi::Array list = Napi::Array::New(env);
  for (uint32_t i = 0; i < static_cast<uint32_t>(FlowState::count); ++i) list.Set(i, name(static_cast<FlowState>(i)));
  return list;
}

template <Napi::Value (*Call)(const Napi::CallbackInfo&)>
void export_function(Napi::Env env, Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New<Call>(env, name));
}

}  // namespace

void export_engine(Napi::Env env, Napi::Object exports) {
  export_function<js_create_engine>(env, exports, "createEngine");
  export_function<js_apply>(env, exports, "apply");
  export_function<js_stats>(env, exports, "stats");
  export_function<js_list_flows>(env, exports, "listFlows");
  export_function<js_want_events>(env, exports, "wantEvents");
  export_function<js_want_exchanges>(env, exports, "wantExchanges");
  export_function<js_reopen_log>(env, exports, "reopenLog");
  export_function<js_send_frames>(env, exports, "sendFrames");
  export_function<js_take_frames>(env, exports, "takeFrames");
  export_function<js_refuse_new>(env, exports, "refuseNew");
  export_function<js_drained>(env, exports, "drained");
  export_function<js_ref>(env, exports, "ref");
  export_function<js_close>(env, exports, "close");
  exports.Set("reasons", reasons(env));
  exports.Set("states", states(env));
  exports.Set("deniedFlows", Napi::Number::New(env, Engine::kDeniedFlows));
  exports.Set("listenerCounters", listener_counter_names(env));
  exports.Set("policyCounters", policy_counter_names(env));
  exports.Set("tlsFailures", tls_failure_names(env));
  exports.Set("httpOutcomes", http_outcome_names(env));
  exports.Set("httpRefusals", http_refusal_names(env));
  exports.Set("tcpCounters", tcp_counter_names(env));
}

}  // namespace flatproxy
