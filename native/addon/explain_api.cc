#include "addon/explain_api.h"

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "addon/engine_handle.h"
#include "addon/js_error.h"
#include "addon/js_explanation.h"
#include "addon/js_plan.h"
#include "lane/explain_plan.h"

namespace flatproxy {
namespace {

FirstPacket packet_of(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  const auto number = [&](const char* key) { return object.Get(key).ToNumber().Uint32Value(); };
  const auto address = [&](const char* key) {
    const auto parsed = wire::Address::parse(object.Get(key).ToString().Utf8Value());
    if (!parsed) throw js_error(value.Env(), "ERR_FLATPROXY_ARGUMENT", "this is no address");
    return *parsed;
  };
  FirstPacket packet;
  packet.port = static_cast<uint16_t>(number("port"));
  packet.tuple.source = address("source");
  packet.tuple.destination = address("destination");
  packet.tuple.source_port = static_cast<uint16_t>(number("sourcePort"));
  packet.tuple.destination_port = static_cast<uint16_t>(number("destinationPort"));
  packet.tuple.protocol = static_cast<uint8_t>(number("protocol"));
  const int32_t opcode = object.Get("opcode").ToNumber().Int32Value();
  if (opcode >= 0 && opcode < static_cast<int32_t>(wire::kRoceClasses))
    packet.roce = RoceTarget{number("qp") & wire::kRoceNumberMask, static_cast<wire::RoceClass>(opcode)};
  packet.tuple.family = packet.tuple.source.is_v4() ? 4 : 6;
  return packet;
}

Napi::Value js_explain(const Napi::CallbackInfo& info) {
  EngineHandle& handle = EngineHandle::unwrap(info[0]);
  const auto said = std::make_shared<Explanation>();
  return handle.run(
      info.Env(),
      [&session = handle.session(), said, packet = packet_of(info[1])] { *said = session.engine().explain(packet); },
      [said](Napi::Env env) -> Napi::Value { return to_js(env, *said); });
}

/// Builds what a plan says on a thread of libuv's: it may be a large one.
class PlanExplainer : public Napi::AsyncWorker {
 public:
  PlanExplainer(Napi::Env env, std::string plan, const FirstPacket& packet)
      : Napi::AsyncWorker(env, "flatproxy"),
        deferred_(Napi::Promise::Deferred::New(env)),
        plan_(std::move(plan)),
        packet_(packet) {}
  Napi::Promise promise() const { return deferred_.Promise(); }

 private:
  void Execute() override {
    try {
      said_ = explain_plan(plan_, packet_);
    } catch (...) {
      failure_ = std::current_exception();
    }
  }
  void OnOK() override {
    if (failure_ == nullptr) {
      deferred_.Resolve(to_js(Env(), said_));
    } else {
      deferred_.Reject(to_js_error(Env(), failure_).Value());
    }
  }

  Napi::Promise::Deferred deferred_;
  std::string plan_;
  FirstPacket packet_;
  Explanation said_;
  std::exception_ptr failure_;
};

Napi::Value js_explain_plan(const Napi::CallbackInfo& info) {
  auto worker = std::make_unique<PlanExplainer>(info.Env(), plan_of(info[0]), packet_of(info[1]));
  const Napi::Promise promise = worker->promise();
  worker.release()->Queue();  // it deletes itself
  return promise;
}

}  // namespace

void export_explain(Napi::Env env, Napi::Object exports) {
  exports.Set("explain", Napi::Function::New(env, js_explain, "explain"));
  exports.Set("explainPlan", Napi::Function::New(env, js_explain_plan, "explainPlan"));
}

}  // namespace flatproxy
