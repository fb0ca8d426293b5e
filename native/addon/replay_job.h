#pragma once

#include <napi.h>

#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "replay/replay.h"

namespace flatproxy {

/// A replay under way, on a thread of its own: it may wait for bytes that the event loop has to bring.
class ReplayJob {
 public:
  /// Begins it. The promise gets what `finish` makes of the result. The job goes by itself once that is done.
  using Finish = std::function<Napi::Value(Napi::Env, ReplayResult)>;
  static std::shared_ptr<ReplayJob> start(Napi::Env env, std::string plan, ReplayOptions options, Finish finish);
  ~ReplayJob();
  ReplayJob(const ReplayJob&) = delete;
  ReplayJob& operator=(const ReplayJob&) = delete;

  Napi::Promise promise() const { return deferred_.Promise(); }
  ReplayProgress& progress() { return progress_; }

 private:
  ReplayJob(Napi::Env env, std::string plan, ReplayOptions options, Finish finish);
  void run();
  void settle(Napi::Env env);
  static void on_environment_end(void* job);

  std::string plan_;
  ReplayOptions options_;
  Finish finish_;
  Napi::Promise::Deferred deferred_;
  ReplayProgress progress_;
  ReplayResult result_;
  std::exception_ptr failure_;
  Napi::ThreadSafeFunction done_;
  std::shared_ptr<ReplayJob> self_;  // until it is settled
  std::thread thread_;
};

}  // namespace flatproxy
