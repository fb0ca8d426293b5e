#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/http_route.h"
#include "route/table.h"

namespace flatproxy::test {

/// The Gateway API's rules for choosing a route, by the most obvious code: every match of every route is asked whether
/// the request meets it, and those that it meets are sorted.
route::Found reference_find(const std::vector<HttpRoute>& routes, uint32_t listener, const route::Request& request);

/// A request with the texts that it points at.
struct TestRequest {
  std::string host = "shop.example";
  std::string path = "/";
  std::string query = "";
  std::string method = "GET";
  std::vector<std::pair<std::string, std::string>> fields = {};

  http::RequestHead head() const;
};

}  // namespace flatproxy::test
