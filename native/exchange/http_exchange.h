#pragma once

#include <cstdint>
#include <optional>

#include "config/http_route.h"
#include "http/body.h"
#include "http/head_source.h"
#include "http/outcome.h"
#include "http/response_parse.h"
#include "http/trace_context.h"
#include "tcp/connection.h"
#include "upstream/target.h"

namespace flatproxy {

using http::Outcome;

/// A client's connection. While it has no exchange it is all that there is of it.
struct HttpSession : ConnectionOwner {
  HttpSession() : ConnectionOwner(Kind::http_client) {}
  static constexpr uint32_t kNone = ~0u;

  enum class Stage : uint8_t {
    proxy_header,  ///< waits for it
    securing,      ///< its TLS handshake is under way
    request,       ///< waits for a request, or for the rest of its head
    exchange,      ///< has one
    lingering,     ///< has had its last response; what still comes is dropped (RFC 9112 section 9.6)
  };

  uint32_t index = 0;
  uint32_t exchange = kNone;
  tcp::Connection* connection = nullptr;
  RelayClient client{};
  Stage stage = Stage::proxy_header;
  http::HeadProgress progress;
  uint32_t requests = 0;
  uint32_t opened_at = 0;          ///< milliseconds
  uint32_t active_at = 0;          ///< milliseconds: when a byte has moved last, or a head has begun
  bool head_begun = false;         ///< there is a part of one
  bool reading = false;            ///< its requests, so that those which are answered at once need no stack each
  tcp::Sequence acknowledged = 0;  ///< of what was sent, when its timer fired last
  tcp::Sequence seen = 0;          ///< of what was sent, acknowledged when it was looked at for want of buffers...
  uint32_t stuck_since = 0;        ///< ...and since when that is so, in milliseconds
  uint64_t bytes[2] = {};          ///< of contents: from the client, to it
  tcp::WheelNode timer;
};
/// With its connection, an idle client holds 1,024 bytes at most.
static_assert(sizeof(HttpSession) + 512 <= 1024);

/// One request and its response.
struct Exchange {
  static constexpr uint32_t kNone = ~0u;

  enum class Stage : uint8_t {
    waiting,      ///< for a connection to an endpoint
    backing_off,  ///< before it is tried again
    asking,       ///< the request is on its way, no response has come
    answering,    ///< a response is on its way
    tunnel,
  };

  uint32_t index = 0;
  uint32_t session = kNone;
  uint32_t link = kNone;  ///< to the endpoint
  uint32_t pool = kNone;
  uint32_t endpoint = kNone;  ///< id of the one that was tried last
  uint16_t endpoint_port = 0;
  wire::Address endpoint_address;
  uint32_t hold = 0;  ///< on the routes that `rule` belongs to
  const HttpRule* rule = nullptr;
  const HttpBackend* backend = nullptr;
  tcp::ByteQueue head;  ///< of the request, as it came: what is sent again is made of it
  http::BodyReader request;
  http::BodyReader response;
  http::Asked asked;
  std::optional<http::TraceParent> trace;  ///< that it begins
  Nanoseconds began = 0;                   ///< its head was whole
  Nanoseconds try_began = 0;               ///< an endpoint was chosen
  Nanoseconds answered = 0;                ///< its response began; 0: not yet
  uint64_t bytes[2] = {};                  ///< of contents: from the client, to it
  Nanoseconds request_deadline = kNever;
  Nanoseconds try_deadline = kNever;
  Nanoseconds retry_at = kNever;
  uint64_t ticket = 0;             ///< while it waits in a pool's queue
  tcp::Sequence sent_from = 0;     ///< on its link, where its bytes begin
  tcp::Sequence acknowledged = 0;  ///< of them, when its timer fired last
  uint32_t prefix_length = 0;
  uint16_t status = 0;
  Stage stage = Stage::waiting;
  Outcome outcome = Outcome::completed;
  http::Version version = http::Version::http11;
  uint8_t tries = 0;
  bool keep_alive = false;  ///< what the client's connection may do behind it
  bool idempotent = false;  ///< RFC 9110 section 9.2.2
  bool body_begun = false;  ///< bytes of its body were sent: they cannot be again
  bool reused = false;      ///< its link had an exchange before
  bool elsewhere = false;   ///< another endpoint than the one that was tried is asked for
  bool moves = false;       ///< its client gets a cookie that names the endpoint
  bool retried_reuse = false;
  bool counted = false;     ///< among its endpoint's requests
  bool link_keeps = false;  ///< its link may serve another request
  bool head_begun = false;  ///< a part of a response's head has come
  uint8_t interim = 0;      ///< responses of status 1xx so far
};

}  // namespace flatproxy
