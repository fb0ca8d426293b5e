#pragma once

#include <mutex>
#include <set>

namespace flatproxy {

class EngineHandle;

/// The handles of the process whose engines run. process.exit() ends the main thread's environment without its cleanup
/// hooks: what is here then is stopped as the process exits.
class LiveHandles {
 public:
  /// Never destroyed.
  static LiveHandles& of_process();

  void add(EngineHandle& handle);
  void remove(EngineHandle& handle);

 private:
  void stop_all();

  std::mutex mutex_;
  std::set<EngineHandle*> handles_;
};

}  // namespace flatproxy
