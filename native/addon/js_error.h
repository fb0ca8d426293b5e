#pragma once

#include <napi.h>

#include <exception>

namespace flatproxy {

/// A failure as JavaScript sees it: an Error with `code` and `remedy`. lib/native.ts gives it its class.
Napi::Error to_js_error(Napi::Env env, const std::exception_ptr& failure);

Napi::Error js_error(Napi::Env env, const char* code, const char* message);

}  // namespace flatproxy
