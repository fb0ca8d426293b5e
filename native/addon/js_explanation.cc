#include "addon/js_explanation.h"

#include <string>

namespace flatproxy {
namespace {

Napi::Value id_to_js(Napi::Env env, uint32_t id) {
  return id == Explanation::kNone ? env.Null() : Napi::Number::New(env, id);
}

Napi::Object to_js(Napi::Env env, const ExplainStep& step) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("step", std::string(name(step.step)));
  object.Set("id", id_to_js(env, step.id));
  object.Set("at", step.at);
  object.Set("via", step.via);
  return object;
}

}  // namespace

Napi::Object to_js(Napi::Env env, const Explanation& explanation) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("reason", static_cast<uint32_t>(explanation.reason));
  object.Set("policy", id_to_js(env, explanation.policy));
  object.Set("service", id_to_js(env, explanation.service));
  object.Set("endpoint", id_to_js(env, explanation.endpoint));
  object.Set("listener", id_to_js(env, explanation.listener));
  object.Set("exit", id_to_js(env, explanation.exit == kNoPort ? Explanation::kNone : explanation.exit));
  Napi::Array steps = Napi::Array::New(env);
  for (uint32_t i = 0; i < explanation.steps.size(); ++i) steps.Set(i, to_js(env, explanation.steps[i]));
  object.Set("steps", steps);
  return object;
}

}  // namespace flatproxy
