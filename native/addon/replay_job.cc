#include "addon/replay_job.h"

#include <utility>

#include "addon/control_thread.h"
#include "addon/js_error.h"

namespace flatproxy {

std::shared_ptr<ReplayJob> ReplayJob::start(Napi::Env env, std::string plan, ReplayOptions options, Finish finish) {
  std::shared_ptr<ReplayJob> job(new ReplayJob(env, std::move(plan), std::move(options), std::move(finish)));
  job->self_ = job;
  napi_add_env_cleanup_hook(env, on_environment_end, job.get());
  job->thread_ = start_quiet_thread("fp-replay", [job = job.get()] { job->run(); });
  return job;
}

ReplayJob::ReplayJob(Napi::Env env, std::string plan, ReplayOptions options, Finish finish)
    : plan_(std::move(plan)),
      options_(std::move(options)),
      finish_(std::move(finish)),
      deferred_(Napi::Promise::Deferred::New(env)),
      done_(Napi::ThreadSafeFunction::New(env, Napi::Function::New(env, [](const Napi::CallbackInfo&) {}), "flatproxy",
                                          0, 1)) {}

ReplayJob::~ReplayJob() {
  if (thread_.joinable()) thread_.join();
}

void ReplayJob::run() {
  try {
    result_ = replay(plan_, options_, progress_);
  } catch (...) {
    failure_ = std::current_exception();
  }
  done_.BlockingCall([this](Napi::Env env, const Napi::Function&) { settle(env); });
  done_.Release();
}

void ReplayJob::settle(Napi::Env env) {
  const std::shared_ptr<ReplayJob> last = std::move(self_);
  thread_.join();
  napi_remove_env_cleanup_hook(env, on_environment_end, this);
  if (failure_ == nullptr) {
    deferred_.Resolve(finish_(env, std::move(result_)));
  } else {
    deferred_.Reject(to_js_error(env, failure_).Value());
  }
}

/// A worker thread ends under it: nobody waits for the result any more.
void ReplayJob::on_environment_end(void* data) {
  const std::shared_ptr<ReplayJob> job = std::move(static_cast<ReplayJob*>(data)->self_);
  job->progress_.cancelled.store(true);
  job->thread_.join();
}

}  // namespace flatproxy
