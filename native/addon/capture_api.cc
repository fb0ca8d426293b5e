#include "addon/capture_api.h"

#include <time.h>

#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "addon/engine_handle.h"
#include "addon/js_error.h"
#include "capture/capture_stream.h"

namespace flatproxy {
namespace {

using Filter = std::shared_ptr<const PacketFilter>;
using Stream = std::shared_ptr<CaptureStream>;

template <typename T>
Napi::External<T> external(Napi::Env env, T value) {
  return Napi::External<T>::New(env, new T(std::move(value)), [](Napi::Env, T* owned) { delete owned; });
}

CaptureStream& stream_of(const Napi::Value& value) { return **value.As<Napi::External<Stream>>().Data(); }

Nanoseconds read_clock(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return static_cast<Nanoseconds>(t.tv_sec) * 1'000'000'000 + static_cast<Nanoseconds>(t.tv_nsec);
}

/// Compiles on a thread of libuv's: names of hosts may have to be resolved.
class FilterCompiler : public Napi::AsyncWorker {
 public:
  FilterCompiler(Napi::Env env, std::string text)
      : Napi::AsyncWorker(env, "flatproxy"), deferred_(Napi::Promise::Deferred::New(env)), text_(std::move(text)) {}
  Napi::Promise promise() const { return deferred_.Promise(); }

 private:
  void Execute() override {
    try {
      filter_ = std::make_shared<PacketFilter>(text_);
    } catch (...) {
      failure_ = std::current_exception();
    }
  }
  void OnOK() override {
    if (failure_ == nullptr) {
      deferred_.Resolve(external(Env(), std::move(filter_)));
    } else {
      deferred_.Reject(to_js_error(Env(), failure_).Value());
    }
  }

  Napi::Promise::Deferred deferred_;
  std::string text_;
  Filter filter_;
  std::exception_ptr failure_;
};

Napi::Value js_compile_filter(const Napi::CallbackInfo& info) {
  auto worker = std::make_unique<FilterCompiler>(info.Env(), info[0].ToString().Utf8Value());
  const Napi::Promise promise = worker->promise();
  worker.release()->Queue();  // it deletes itself
  return promise;
}

CaptureOptions options_of(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  CaptureOptions options;
  if (object.Get("filter").IsExternal()) options.filter = *object.Get("filter").As<Napi::External<Filter>>().Data();
  options.verdicts = object.Get("verdicts").ToNumber().Uint32Value();
  options.snap_length = object.Get("snapLength").ToNumber().Uint32Value();
  options.limit = static_cast<uint64_t>(object.Get("limit").ToNumber().Int64Value());
  const auto ports = object.Get("ports").As<Napi::Array>();
  for (uint32_t i = 0; i < ports.Length(); ++i) options.ports.push_back(ports.Get(i).ToString().Utf8Value());
  return options;
}

/// What the capture's first interfaces are: of the ports that it is of, those that are there.
std::vector<CaptureStream::PortName> port_names(const Snapshot& snapshot, const CaptureOptions& options) {
  std::vector<CaptureStream::PortName> names;
  for (size_t id = 0; id < snapshot.ports.size(); ++id) {
    const PortEntry& entry = snapshot.ports[id];
    if (entry.port != nullptr && options.is_of(entry.name)) names.push_back({static_cast<uint16_t>(id), entry.name});
  }
  return names;
}

Stream begin(Engine& engine, CaptureOptions options) {
  const Nanoseconds now = read_clock(CLOCK_REALTIME);
  const auto capture =
      std::make_shared<LiveCapture>(std::move(options), engine.lanes(), now - read_clock(CLOCK_MONOTONIC));
  engine.begin_capture(capture);
  return std::make_shared<CaptureStream>(capture, port_names(*engine.snapshot(), capture->options), now);
}

Napi::Value js_begin_capture(const Napi::CallbackInfo& info) {
  EngineHandle& handle = EngineHandle::unwrap(info[0]);
  const auto begun = std::make_shared<Stream>();
  return handle.run(
      info.Env(),
      [&session = handle.session(), begun, options = options_of(info[1])] {
        *begun = begin(session.engine(), options);
      },
      [begun](Napi::Env env) -> Napi::Value { return external(env, *begun); });
}

Napi::Value to_js(Napi::Env env, const std::vector<uint8_t>& bytes) {
  Napi::Uint8Array array = Napi::Uint8Array::New(env, bytes.size());
  if (!bytes.empty()) std::memcpy(array.Data(), bytes.data(), bytes.size());
  return array;
}

Napi::Value js_read_capture(const Napi::CallbackInfo& info) {
  std::vector<uint8_t> bytes;
  stream_of(info[0]).read(bytes, info[1].ToNumber().Uint32Value(), read_clock(CLOCK_REALTIME));
  return to_js(info.Env(), bytes);
}

Napi::Value js_captured(const Napi::CallbackInfo& info) {
  const CaptureStream& stream = stream_of(info[0]);
  Napi::Object counts = Napi::Object::New(info.Env());
  counts.Set("packets", static_cast<double>(stream.packets()));
  counts.Set("lost", static_cast<double>(stream.lost()));
  counts.Set("full", stream.full());
  return counts;
}

Napi::Value js_end_capture(const Napi::CallbackInfo& info) {
  EngineHandle& handle = EngineHandle::unwrap(info[0]);
  const Stream stream = *info[1].As<Napi::External<Stream>>().Data();
  return handle.run(
      info.Env(), [&session = handle.session(), stream] { session.engine().end_capture(stream->capture()); },
      [](Napi::Env env) -> Napi::Value { return env.Undefined(); });
}

Napi::Value js_finish_capture(const Napi::CallbackInfo& info) {
  std::vector<uint8_t> bytes;
  stream_of(info[0]).finish(bytes, read_clock(CLOCK_REALTIME));
  return to_js(info.Env(), bytes);
}

Napi::Array verdicts(Napi::Env env) {
  Napi::Array list = Napi::Array::New(env, std::size(kVerdictNames));
  for (uint32_t i = 0; i < std::size(kVerdictNames); ++i) list.Set(i, std::string(kVerdictNames[i]));
  return list;
}

}  // namespace

void export_capture(Napi::Env env, Napi::Object exports) {
  exports.Set("compileFilter", Napi::Function::New(env, js_compile_filter, "compileFilter"));
  exports.Set("beginCapture", Napi::Function::New(env, js_begin_capture, "beginCapture"));
  exports.Set("readCapture", Napi::Function::New(env, js_read_capture, "readCapture"));
  exports.Set("captured", Napi::Function::New(env, js_captured, "captured"));
  exports.Set("endCapture", Napi::Function::New(env, js_end_capture, "endCapture"));
  exports.Set("finishCapture", Napi::Function::New(env, js_finish_capture, "finishCapture"));
  exports.Set("verdicts", verdicts(env));
}

}  // namespace flatproxy
