#pragma once

#include <napi.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "addon/session.h"

namespace flatproxy {

/// What a JavaScript engine object holds: a session, and the session's way back to the environment's thread.
///
/// It ends with close(), with its environment (a worker that ends), or with the process, whichever comes first: then
/// its threads have ended and its ports are gone. It lives on the heap alone, so that no destructor of a static object
/// meets a running thread. Its methods are for the environment's thread.
class EngineHandle {
 public:
  static std::shared_ptr<EngineHandle> make(Napi::Env env, Napi::Function on_signal);
  EngineHandle(const EngineHandle&) = delete;
  EngineHandle& operator=(const EngineHandle&) = delete;

  /// The object that JavaScript holds on to, with the mark that tells it from all others.
  static Napi::Object wrap(Napi::Env env, std::shared_ptr<EngineHandle> handle);
  /// The open handle of such an object; throws for any other one, and when it is closed.
  static EngineHandle& unwrap(const Napi::Value& value);

  using Work = std::function<void()>;
  using Finish = std::function<Napi::Value(Napi::Env)>;
  /// Does the work on the control thread, then finishes on this one; what `finish` returns the promise resolves to.
  /// What the work throws the promise rejects with.
  Napi::Promise run(Napi::Env env, Work work, Finish finish) {
    return post(env, std::move(work), std::move(finish), false);
  }
  /// The first work, which opens the session; when it fails the handle ends.
  Napi::Promise open(Napi::Env env, Work work, Finish finish);
  /// Shuts the session, after the work that was asked for before. Nothing else is taken from now on.
  Napi::Promise close(Napi::Env env);

  /// Between the end of open() and close().
  bool is_open() const { return open_; }
  /// Whether the handle keeps the process alive; unfinished work always does.
  void keep_alive(Napi::Env env, bool keep);

  Session& session() { return session_; }

 private:
  struct Job;
  explicit EngineHandle(Napi::Function on_signal);

  static void on_wake(napi_env env, napi_value, void* context, void*);
  static void on_environment_end(void* context);
  Napi::Promise post(Napi::Env env, Work work, Finish finish, bool opens);
  void wake();
  void end(Napi::Env env);
  void settle(Napi::Env env);
  void tell(Napi::Env env);
  void update_ref(Napi::Env env);

  Napi::FunctionReference on_signal_;
  napi_threadsafe_function function_ = nullptr;
  std::atomic<bool> woken_{false};
  std::mutex mutex_;
  std::vector<std::shared_ptr<Job>> done_;  // under mutex_
  unsigned pending_ = 0;
  bool keep_ = true;
  bool referenced_ = true;  // as the thread-safe function is
  bool open_ = false;
  bool ended_ = false;
  Session session_;  // its threads use the above
};

}  // namespace flatproxy
