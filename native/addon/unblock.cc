#include "addon/unblock.h"

#include "addon/js_error.h"
#include "port/iface_unblock.h"

namespace flatproxy {
namespace {

Napi::Value js_unblock(const Napi::CallbackInfo& info) {
  try {
    const size_t removed = unblock(info[0].ToString().Utf8Value());
    return Napi::Number::New(info.Env(), static_cast<double>(removed));
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw to_js_error(info.Env(), std::current_exception());
  }
}

}  // namespace

void export_unblock(Napi::Env env, Napi::Object exports) {
  exports.Set("unblock", Napi::Function::New(env, js_unblock, "unblock"));
}

}  // namespace flatproxy
