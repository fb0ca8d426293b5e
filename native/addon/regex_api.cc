#include "addon/regex_api.h"

#include "route/regex.h"

namespace flatproxy {
namespace {

Napi::Value js_check_regex(const Napi::CallbackInfo& info) {
  const std::string problem = route::regex_problem(info[0].ToString().Utf8Value());
  return problem.empty() ? info.Env().Null() : Napi::String::New(info.Env(), problem);
}

}  // namespace

void export_regex(Napi::Env env, Napi::Object exports) {
  exports.Set("checkRegex", Napi::Function::New(env, js_check_regex, "checkRegex"));
}

}  // namespace flatproxy
