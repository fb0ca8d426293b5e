#include "addon/explain_api.h"

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "addon/engine_handle.h"
#include "addon/js_error.h"
#include "addon/js_explanation.h"
#include "addon/js_plan.h"
#include "lane/explain_plan.h"
#include "wire/protocol.h"

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
  packet.vlan = static_cast<uint16_t>(number("vlan"));
  packet.tuple.protocol = static_cast<uint8_t>(number("protocol"));
  const int32_t opcode = object.Get("opcode").ToNumber().Int32Value();
  if (opcode >= 0 && opcode < static_cast<int32_t>(wire::kRoceClasses))
    packet.roce = RoceTarget{number("qp") & wire::kRoceNumberMask, static_cast<wire::RoceClass>(opcode)};
  packet.tuple.family = packet.tuple.source.is_v4() ? 4 : 6;
  if (const Napi::Value request = object.Get("request"); request.IsString())
    packet.request = std::make_shared<const std::string>(request.As<Napi::String>().Utf8Value());
  return packet;
}

/// What is asked about: a first packet, or a frame that comes by a port.
struct Question {
  FirstPacket packet;
  std::vector<uint8_t> frame;  // empty: the packet

  static Question of(const Napi::Value& value) {
    Question question;
    const Napi::Value frame = value.As<Napi::Object>().Get("frame");
    if (!frame.IsTypedArray()) {
      question.packet = packet_of(value);
      return question;
    }
    const auto bytes = frame.As<Napi::Uint8Array>();
    question.frame.assign(bytes.Data(), bytes.Data() + bytes.ByteLength());
    question.packet.port = static_cast<uint16_t>(value.As<Napi::Object>().Get("port").ToNumber().Uint32Value());
    return question;
  }
};

/// What is said: of a frame with what it is.
struct Answer {
  Explanation said;
  std::optional<FrameSummary> of;

  Answer() = default;
  Answer(Explanation explanation) : said(std::move(explanation)) {}
  Answer(FrameExplanation explanation) : said(std::move(explanation.said)), of(explanation.of) {}
};

const char* name(FrameSummary::Kind kind) {
  switch (kind) {
    case FrameSummary::Kind::bytes:
      return "bytes";
    case FrameSummary::Kind::ethernet:
      return "ethernet";
    case FrameSummary::Kind::arp:
      return "arp";
    case FrameSummary::Kind::ip:
      break;
  }
  return "ip";
}

Napi::Object to_js(Napi::Env env, const FrameSummary& of) {
  const bool ip = of.kind == FrameSummary::Kind::ip;
  const Tuple& tuple = of.packet.tuple;
  const bool tcp_or_udp = tuple.protocol == wire::protocol::kTcp || tuple.protocol == wire::protocol::kUdp;
  const auto& roce = of.packet.roce;
  Napi::Object object = Napi::Object::New(env);
  object.Set("kind", name(of.kind));
  const bool has_macs = of.kind != FrameSummary::Kind::bytes;
  object.Set("source", ip ? tuple.source.to_string() : has_macs ? of.source.to_string() : "");
  object.Set("destination", ip ? tuple.destination.to_string() : has_macs ? of.destination.to_string() : "");
  object.Set("protocol", tuple.protocol);
  object.Set("hasPorts", tcp_or_udp && of.packet.traits.part != Part::unplaced);
  object.Set("sourcePort", tuple.source_port);
  object.Set("destinationPort", tuple.destination_port);
  object.Set("opcode", roce ? static_cast<int>(roce->kind) : -1);
  object.Set("qp", roce ? roce->qp : 0u);
  object.Set("vlan", of.packet.vlan);
  return object;
}

Napi::Value to_js(Napi::Env env, const Answer& answer) {
  Napi::Object object = flatproxy::to_js(env, answer.said);
  object.Set("frame", answer.of ? to_js(env, *answer.of) : env.Null());
  return object;
}

Napi::Value js_explain(const Napi::CallbackInfo& info) {
  EngineHandle& handle = EngineHandle::unwrap(info[0]);
  const auto answer = std::make_shared<Answer>();
  const auto ask = [&session = handle.session(), answer, question = Question::of(info[1])] {
    Engine& engine = session.engine();
    if (question.frame.empty()) {
      *answer = engine.explain(question.packet);
    } else {
      *answer = engine.explain(question.packet.port, question.frame);
    }
  };
  return handle.run(info.Env(), ask, [answer](Napi::Env env) { return to_js(env, *answer); });
}

/// Builds what a plan says on a thread of libuv's: it may be a large one.
class PlanExplainer : public Napi::AsyncWorker {
 public:
  PlanExplainer(Napi::Env env, std::string plan, Question question)
      : Napi::AsyncWorker(env, "flatproxy"),
        deferred_(Napi::Promise::Deferred::New(env)),
        plan_(std::move(plan)),
        question_(std::move(question)) {}
  Napi::Promise promise() const { return deferred_.Promise(); }

 private:
  void Execute() override {
    try {
      if (question_.frame.empty()) {
        answer_ = explain_plan(plan_, question_.packet);
      } else {
        FrameInHand frame(question_.frame);
        answer_ = explain_plan(plan_, question_.packet.port, frame);
      }
    } catch (...) {
      failure_ = std::current_exception();
    }
  }
  void OnOK() override {
    if (failure_ == nullptr) {
      deferred_.Resolve(to_js(Env(), answer_));
    } else {
      deferred_.Reject(to_js_error(Env(), failure_).Value());
    }
  }

  Napi::Promise::Deferred deferred_;
  std::string plan_;
  Question question_;
  Answer answer_;
  std::exception_ptr failure_;
};

Napi::Value js_explain_plan(const Napi::CallbackInfo& info) {
  auto worker = std::make_unique<PlanExplainer>(info.Env(), plan_of(info[0]), Question::of(info[1]));
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
