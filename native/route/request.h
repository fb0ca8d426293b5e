#pragma once

#include <array>
#include <cstddef>
#include <memory_resource>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.h"

namespace flatproxy::route {

/// What a route is chosen by.
struct Request {
  std::string_view host;   ///< as in the authority: in any case, with or without a port
  std::string_view path;   ///< normalized; empty: CONNECT, `*`
  std::string_view query;  ///< behind the '?', as it was sent
  const http::RequestHead& head;
};

/// Where a value is put together that does not lie in one piece: a field that comes several times, a parameter with
/// escapes. Only one of more than 1 KB allocates.
class Scratch {
 public:
  /// Empty, with room for so many bytes.
  std::pmr::string& clear(size_t room) {
    text_.clear();
    text_.reserve(room);
    return text_;
  }

 private:
  std::array<std::byte, 1024> stack_;
  std::pmr::monotonic_buffer_resource memory_{stack_.data(), stack_.size()};
  std::pmr::string text_{&memory_};
};

/// A field's value; of one that comes several times all values, joined by ", " (RFC 9110 section 5.3). Nothing: it does
/// not come. @param name in lower case @param scratch holds the value until it is used again
std::optional<std::string_view> field_value(const http::Fields& fields, std::string_view name, Scratch& scratch);

/// The first value of a query's parameter, decoded as forms are: '+' is a space, and a percent sign without two digits
/// stands for itself. Nothing: it does not come. @param name decoded
std::optional<std::string_view> query_value(std::string_view query, std::string_view name, Scratch& scratch);

}  // namespace flatproxy::route
