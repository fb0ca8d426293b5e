#include "addon/engine_handle.h"

#include <exception>
#include <string>
#include <utility>

#include "addon/js_error.h"
#include "addon/js_signal.h"
#include "addon/live_handles.h"

namespace flatproxy {
namespace {

constexpr napi_type_tag kEngineTag = {0x8c1f6a0be2d84f37, 0xa95d03c7714e62bb};

void check(Napi::Env env, napi_status status) {
  if (status != napi_ok) throw Napi::Error::New(env);
}

}  // namespace

/// Work under way, and whom to tell.
struct EngineHandle::Job {
  Work work;
  Finish finish;
  Napi::Promise::Deferred deferred;
  bool opens;  ///< without it the handle is of no use
  std::exception_ptr failure;
};

EngineHandle::EngineHandle(Napi::Function on_signal)
    : on_signal_(Napi::Persistent(on_signal)), session_([this] { wake(); }) {}

std::shared_ptr<EngineHandle> EngineHandle::make(Napi::Env env, Napi::Function on_signal) {
  std::shared_ptr<EngineHandle> handle(new EngineHandle(on_signal));
  auto owner = std::make_unique<std::shared_ptr<EngineHandle>>(handle);
  const auto release = [](napi_env, void*, void* context) {
    delete static_cast<std::shared_ptr<EngineHandle>*>(context);
  };
  check(env, napi_create_threadsafe_function(env, nullptr, nullptr, Napi::String::New(env, "flatproxy"), 0, 1, nullptr,
                                             release, owner.get(), on_wake, &handle->function_));
  owner.release();
  // After the function, so that it runs before the environment takes the function away.
  check(env, napi_add_env_cleanup_hook(env, on_environment_end, handle.get()));
  LiveHandles::of_process().add(*handle);
  return handle;
}

Napi::Object EngineHandle::wrap(Napi::Env env, std::shared_ptr<EngineHandle> handle) {
  Napi::Object object = Napi::Object::New(env);
  object.TypeTag(&kEngineTag);
  auto owner = std::make_unique<std::shared_ptr<EngineHandle>>(std::move(handle));
  const auto release = [](napi_env, void* data, void*) { delete static_cast<std::shared_ptr<EngineHandle>*>(data); };
  check(env, napi_wrap(env, object, owner.get(), release, nullptr, nullptr));
  owner.release();
  return object;
}

EngineHandle& EngineHandle::unwrap(const Napi::Value& value) {
  const Napi::Env env = value.Env();
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kEngineTag)) {
    throw js_error(env, "ERR_FLATPROXY_ARGUMENT", "this is no engine");
  }
  void* data = nullptr;
  check(env, napi_unwrap(env, value, &data));
  EngineHandle& handle = **static_cast<std::shared_ptr<EngineHandle>*>(data);
  if (!handle.open_) throw js_error(env, "ERR_FLATPROXY_CLOSED", "the engine is closed");
  return handle;
}

Napi::Promise EngineHandle::post(Napi::Env env, Work work, Finish finish, bool opens) {
  const auto deferred = Napi::Promise::Deferred::New(env);
  auto job = std::make_shared<Job>(Job{std::move(work), std::move(finish), deferred, opens, nullptr});
  ++pending_;
  update_ref(env);
  session_.post([this, job] {
    try {
      job->work();
    } catch (...) {
      job->failure = std::current_exception();
    }
    {
      const std::lock_guard lock(mutex_);
      done_.push_back(job);
    }
    wake();
  });
  return deferred.Promise();
}

Napi::Promise EngineHandle::close(Napi::Env env) {
  open_ = false;
  session_.forget_memory_ports();
  const auto finish = [this](Napi::Env finishing) {
    end(finishing);
    return finishing.Undefined();
  };
  return post(
      env, [this] { session_.shut(); }, finish, false);
}

Napi::Promise EngineHandle::open(Napi::Env env, Work work, Finish finish) {
  const auto opened = [this, then = std::move(finish)](Napi::Env finishing) {
    open_ = true;
    wake();  // for what the pump has found before
    return then(finishing);
  };
  return post(env, std::move(work), opened, true);
}

void EngineHandle::end(Napi::Env env) {
  if (std::exchange(ended_, true)) return;
  session_.stop();
  LiveHandles::of_process().remove(*this);
  on_signal_.Reset();
  napi_remove_env_cleanup_hook(env, on_environment_end, this);
  napi_release_threadsafe_function(function_, napi_tsfn_release);
}

void EngineHandle::keep_alive(Napi::Env env, bool keep) {
  keep_ = keep;
  update_ref(env);
}

void EngineHandle::update_ref(Napi::Env env) {
  const bool wanted = keep_ || pending_ > 0;
  if (ended_ || wanted == referenced_) return;
  referenced_ = wanted;
  check(env, wanted ? napi_ref_threadsafe_function(env, function_) : napi_unref_threadsafe_function(env, function_));
}

/// Any thread.
void EngineHandle::wake() {
  if (!woken_.exchange(true)) napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking);
}

void EngineHandle::on_wake(napi_env raw, napi_value, void* context, void*) {
  if (raw == nullptr) return;
  const std::shared_ptr<EngineHandle> handle = *static_cast<std::shared_ptr<EngineHandle>*>(context);
  const Napi::Env env(raw);
  handle->woken_.store(false);
  try {
    handle->tell(env);
    handle->settle(env);
  } catch (const Napi::Error& error) {
    napi_fatal_exception(env, error.Value());
  }
}

void EngineHandle::tell(Napi::Env env) {
  if (!open_) return;
  const Pump::Collected collected = session_.pump().collect();
  const LogWriter::Heard heard = session_.log_pump().writer().take_heard();
  if (collected.empty() && heard.lines.empty()) return;
  on_signal_.Call({to_js(env, collected, heard, session_.engine().now())});
}

void EngineHandle::settle(Napi::Env env) {
  std::vector<std::shared_ptr<Job>> jobs;
  {
    const std::lock_guard lock(mutex_);
    jobs.swap(done_);
  }
  for (const auto& job : jobs) {
    --pending_;
    if (job->failure == nullptr) {
      job->deferred.Resolve(job->finish(env));
    } else {
      if (job->opens) end(env);
      job->deferred.Reject(to_js_error(env, job->failure).Value());
    }
  }
  update_ref(env);
}

void EngineHandle::on_environment_end(void* context) {
  auto& handle = *static_cast<EngineHandle*>(context);
  handle.open_ = false;
  handle.ended_ = true;
  handle.session_.stop();
  LiveHandles::of_process().remove(handle);
  handle.done_.clear();
}

}  // namespace flatproxy
