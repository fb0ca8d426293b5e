#include "addon/js_frames.h"

#include <memory>

#include "addon/js_error.h"
#include "packet/frame.h"

namespace flatproxy {
namespace {

constexpr uint32_t kMaxTaken = 256;
constexpr size_t kMaxTakenBytes = 1 << 20;

struct Releaser {
  void operator()(Segment* frame) const { release(frame); }
};

Napi::Uint8Array to_js(Napi::Env env, const Segment* frame) {
  Napi::Uint8Array bytes = Napi::Uint8Array::New(env, frame->frame_length);
  copy_out(frame, 0, bytes.Data(), frame->frame_length);
  return bytes;
}

Napi::Uint8Array frame_at(const Napi::Array& frames, uint32_t index) {
  const Napi::Value value = frames.Get(index);
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    throw js_error(frames.Env(), "ERR_FLATPROXY_ARGUMENT", "a frame must be a Uint8Array");
  }
  const auto frame = value.As<Napi::Uint8Array>();
  if (frame.ByteLength() == 0 || frame.ByteLength() > MemoryEnd::kMaxFrame) {
    throw js_error(frames.Env(), "ERR_FLATPROXY_ARGUMENT", "a frame has 1 to 65553 bytes");
  }
  return frame;
}

}  // namespace

uint32_t send_frames(MemoryEnd& end, const Napi::Array& frames) {
  const uint32_t count = frames.Length();
  for (uint32_t i = 0; i < count; ++i) {
    const Napi::HandleScope scope(frames.Env());
    const Napi::Uint8Array frame = frame_at(frames, i);
    if (!end.send({frame.Data(), frame.ByteLength()})) return i;
  }
  return count;
}

Napi::Array take_frames(Napi::Env env, MemoryEnd& end) {
  Napi::Array taken = Napi::Array::New(env);
  size_t bytes = 0;
  for (uint32_t n = 0; n < kMaxTaken && bytes < kMaxTakenBytes; ++n) {
    const std::unique_ptr<Segment, Releaser> frame(end.take());
    if (frame == nullptr) break;
    const Napi::HandleScope scope(env);
    taken.Set(n, to_js(env, frame.get()));
    bytes += frame->frame_length;
  }
  return taken;
}

}  // namespace flatproxy
