#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "http/message.h"
#include "http/outcome.h"
#include "packet/segment.h"
#include "wire/address.h"

namespace flatproxy {

/// Texts of an exchange that are told of it.
enum class ExchangeText : uint8_t {
  listener,
  route,
  service,
  method,
  authority,
  target,  ///< as it was sent
  user_agent,
  referer,
  forwarded_for,
  request_id,
  traceparent,
};
constexpr uint32_t kExchangeTexts = static_cast<uint32_t>(ExchangeText::traceparent) + 1;

/// What is told of an exchange beside its texts. Times are the lane's.
struct ExchangeFacts {
  Nanoseconds began = 0;     ///< its head was whole
  Nanoseconds answered = 0;  ///< its response began; 0: there was none
  Nanoseconds ended = 0;     ///< the last byte of its response was given to TCP, or it ended otherwise
  uint64_t bytes_up = 0;     ///< of contents: from the client
  uint64_t bytes_down = 0;   ///< to it
  wire::Address client;
  wire::Address endpoint;  ///< that was tried last
  uint32_t listener_id = 0;
  uint16_t client_port = 0;
  uint16_t endpoint_port = 0;  ///< 0: none was tried
  uint16_t status = 0;         ///< that the client got; 0: none
  http::Outcome outcome = http::Outcome::completed;
  http::Version version = http::Version::http11;
  uint8_t tries = 0;
  bool logged = false;  ///< it is for the access log
};

/// An exchange that has ended. Its texts are empty where there is none, and somebody else's.
struct ExchangeRecord : ExchangeFacts {
  std::array<std::string_view, kExchangeTexts> texts;
  std::string_view& text(ExchangeText which) { return texts[static_cast<size_t>(which)]; }
  std::string_view text(ExchangeText which) const { return texts[static_cast<size_t>(which)]; }
};

/// Whoever is told of exchanges.
class ExchangeSink {
 public:
  virtual ~ExchangeSink() = default;
  /// Whether it is to be told of one that ends like this.
  virtual bool wants(http::Outcome outcome, uint16_t status) = 0;
  virtual void take(ExchangeRecord& record) = 0;
};

}  // namespace flatproxy
