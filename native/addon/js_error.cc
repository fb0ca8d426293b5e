#include "addon/js_error.h"

#include <new>
#include <string>
#include <system_error>

#include "packet/error.h"

namespace flatproxy {
namespace {

Napi::Error make(Napi::Env env, const std::string& code, const std::string& message, const std::string& remedy) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", code);
  error.Set("remedy", remedy);
  return error;
}

}  // namespace

Napi::Error to_js_error(Napi::Env env, const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    return make(env, error.code, error.what(), error.remedy);
  } catch (const std::bad_alloc&) {
    return make(env, "ERR_FLATPROXY_MEMORY", "there is not enough memory", "");
  } catch (const std::system_error& error) {
    return make(env, "ERR_FLATPROXY_LANE", std::string("a thread cannot be started: ") + error.what(),
                "Raise the limit of threads (ulimit -u, pids.max of the cgroup).");
  } catch (const std::exception& error) {
    return make(env, "ERR_FLATPROXY_INTERNAL", error.what(), "");
  }
}

Napi::Error js_error(Napi::Env env, const char* code, const char* message) { return make(env, code, message, ""); }

}  // namespace flatproxy
