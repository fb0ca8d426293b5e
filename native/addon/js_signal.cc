#include "addon/js_signal.h"

#include <cstring>

#include "lane/flow_stage.h"

namespace flatproxy {
namespace {

Napi::Array ports_to_js(Napi::Env env, const std::vector<Pump::PortState>& ports) {
  Napi::Array list = Napi::Array::New(env, ports.size());
  for (uint32_t i = 0; i < ports.size(); ++i) {
    Napi::Object state = Napi::Object::New(env);
    state.Set("port", Napi::Number::New(env, ports[i].port));
    state.Set("up", Napi::Boolean::New(env, ports[i].up));
    state.Set("reason", Napi::String::New(env, ports[i].reason));
    list.Set(i, state);
  }
  return list;
}

}  // namespace

Napi::ArrayBuffer to_js(Napi::Env env, const std::vector<FlowBytes>& flows) {
  const size_t size = flows.size() * sizeof(FlowBytes);
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, size);
  if (size > 0) std::memcpy(buffer.Data(), flows.data(), size);
  return buffer;
}

Napi::Number clock_to_js(Napi::Env env, Nanoseconds now) {
  return Napi::Number::New(env, FlowStage::milliseconds(now));
}

Napi::Object to_js(Napi::Env env, const Pump::Collected& collected, const LogWriter::Heard& heard, Nanoseconds now) {
  Napi::Object signal = Napi::Object::New(env);
  signal.Set("events", collected.events.empty() ? env.Undefined() : to_js(env, collected.events));
  signal.Set("lostEvents", Napi::Number::New(env, static_cast<double>(collected.lost_events)));
  signal.Set("exchanges", Napi::String::New(env, heard.lines));
  signal.Set("lostExchanges", Napi::Number::New(env, static_cast<double>(heard.lost)));
  signal.Set("now", clock_to_js(env, now));
  Napi::Array readable = Napi::Array::New(env, collected.readable.size());
  for (uint32_t i = 0; i < collected.readable.size(); ++i) {
    readable.Set(i, Napi::Number::New(env, collected.readable[i]));
  }
  signal.Set("readable", readable);
  signal.Set("ports", ports_to_js(env, collected.ports));
  return signal;
}

}  // namespace flatproxy
