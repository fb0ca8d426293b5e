#include <napi.h>

#include "packet/error.h"
#include "port/ethdev_eal.h"

namespace flatproxy {
namespace {

Napi::Value dpdk(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), dpdk_version()); }

Napi::Value start_eal(const Napi::CallbackInfo& info) {
  try {
    eal_start({});
  } catch (const Error& error) {
    Napi::Error thrown = Napi::Error::New(info.Env(), error.what());
    thrown.Set("code", error.code);
    throw thrown;
  }
  return info.Env().Undefined();
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("dpdkVersion", Napi::Function::New(env, dpdk));
  exports.Set("startEal", Napi::Function::New(env, start_eal));
  return exports;
}

}  // namespace
}  // namespace flatproxy

static Napi::Object init_addon(Napi::Env env, Napi::Object exports) { return flatproxy::init(env, exports); }

NODE_API_MODULE(flatproxy, init_addon)
