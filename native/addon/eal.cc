#include "addon/eal.h"

#include "packet/error.h"
#include "port/ethdev_eal.h"

namespace flatproxy {
namespace {

Napi::Value js_dpdk_version(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), dpdk_version()); }

EalOptions eal_options(const Napi::Value& value) {
  EalOptions options;
  if (!value.IsObject()) return options;
  const auto object = value.As<Napi::Object>();
  if (object.Has("memoryMb")) options.memory_mb = object.Get("memoryMb").ToNumber().Uint32Value();
  if (object.Has("pci")) options.pci = object.Get("pci").ToBoolean();
  return options;
}

Napi::Value js_start_eal(const Napi::CallbackInfo& info) {
  try {
    eal_start(eal_options(info[0]));
  } catch (const Error& error) {
    Napi::Error thrown = Napi::Error::New(info.Env(), error.what());
    thrown.Set("code", error.code);
    thrown.Set("remedy", error.remedy);
    throw thrown;
  }
  return info.Env().Undefined();
}

}  // namespace

void export_eal(Napi::Env env, Napi::Object exports) {
  exports.Set("dpdkVersion", Napi::Function::New(env, js_dpdk_version, "dpdkVersion"));
  exports.Set("startEal", Napi::Function::New(env, js_start_eal, "startEal"));
}

}  // namespace flatproxy
