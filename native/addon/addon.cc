#include <napi.h>

#include "addon/capture_api.h"
#include "addon/eal.h"
#include "addon/engine_api.h"
#include "addon/explain_api.h"
#include "addon/regex_api.h"
#include "addon/replay_api.h"
#include "addon/shadow_api.h"
#include "addon/unblock.h"

static Napi::Object init_addon(Napi::Env env, Napi::Object exports) {
  flatproxy::export_capture(env, exports);
  flatproxy::export_eal(env, exports);
  flatproxy::export_engine(env, exports);
  flatproxy::export_explain(env, exports);
  flatproxy::export_regex(env, exports);
  flatproxy::export_replay(env, exports);
  flatproxy::export_shadow(env, exports);
  flatproxy::export_unblock(env, exports);
  return exports;
}

NODE_API_MODULE(flatproxy, init_addon)
