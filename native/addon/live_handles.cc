#include "addon/live_handles.h"

#include <cstdlib>

#include "addon/engine_handle.h"

namespace flatproxy {

LiveHandles& LiveHandles::of_process() {
  static auto& handles = *new LiveHandles;
  return handles;
}

void LiveHandles::add(EngineHandle& handle) {
  static const int registered = std::atexit([] { of_process().stop_all(); });
  (void)registered;
  const std::lock_guard lock(mutex_);
  handles_.insert(&handle);
}

void LiveHandles::remove(EngineHandle& handle) {
  const std::lock_guard lock(mutex_);
  handles_.erase(&handle);
}

void LiveHandles::stop_all() {
  const std::lock_guard lock(mutex_);
  for (EngineHandle* handle : handles_) handle->session().stop();
  handles_.clear();
}

}  // namespace flatproxy
