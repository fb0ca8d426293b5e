#pragma once

#include <napi.h>

#include <string>

namespace flatproxy {

/// A plan, which comes in pieces.
inline std::string plan_of(const Napi::Value& value) {
  const auto chunks = value.As<Napi::Array>();
  std::string plan;
  for (uint32_t i = 0; i < chunks.Length(); ++i) {
    const auto chunk = chunks.Get(i).As<Napi::Uint8Array>();
    plan.append(reinterpret_cast<const char*>(chunk.Data()), chunk.ByteLength());
  }
  return plan;
}

}  // namespace flatproxy
