// http_reader: what the codec reads out of streams of bytes; a tool of the tests, which compare it with other parsers.
//   stdin, as often as wanted: `request SIZE` or `ASKED SIZE` in a line (ASKED, of responses: GET, HEAD, CONNECT or
//   websocket), then SIZE bytes, whatever they are.
//   stdout, a line for each: {"messages":[{"start":"POST","target":"/","head":50,"body":5,"end":55}],"then":"open"}, as
//   test/http/messages/README.md describes them.
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "support/http_stream.h"

namespace {

using namespace flatproxy;

nlohmann::json to_json(const test::Reading& reading) {
  nlohmann::json messages = nlohmann::json::array();
  for (const test::ReadMessage& message : reading.messages) {
    messages.push_back({{"start", message.start},
                        {"target", message.target},
                        {"head", message.head},
                        {"body", message.content.size()},
                        {"end", message.end}});
  }
  return {{"messages", messages}, {"then", test::word_for(reading)}};
}

}  // namespace

int main() {
  std::ios::sync_with_stdio(false);
  Buffers buffers;
  std::string kind;
  size_t size = 0;
  while (std::cin >> kind >> size) {
    const auto asked = test::asked_of(kind);
    if ((!asked && kind != "request") || std::cin.get() != '\n') return 2;
    std::string bytes(size, '\0');
    if (!std::cin.read(bytes.data(), static_cast<std::streamsize>(size))) return 2;
    std::cout << to_json(test::read_stream(bytes, asked, size, buffers)).dump() << '\n';
  }
  return 0;
}
