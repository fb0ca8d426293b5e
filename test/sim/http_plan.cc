#include "http_plan.h"

#include <algorithm>

namespace flatproxy::sim {
namespace {

using test::Dice;

constexpr Nanoseconds kMillisecond = 1'000'000;

std::string body_of(uint64_t key, uint32_t size) {
  std::string body(size, '\0');
  for (uint32_t i = 0; i < size; ++i) body[i] = body_byte(key, i);
  return body;
}

std::string hex(size_t n) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text;
  for (; n > 0; n /= 16) text.insert(text.begin(), kDigits[n % 16]);
  return text.empty() ? "0" : text;
}

/// In chunks of any size.
std::string chunked(const std::string& body, uint64_t key, const std::string& trailers) {
  Dice dice(key + 1);
  const uint32_t most = 1 + (dice.below(3) == 0 ? dice.below(100) : dice.below(20'000));
  std::string text;
  for (size_t at = 0; at < body.size();) {
    const size_t n = std::min<size_t>(1 + dice.below(most), body.size() - at);
    text.append(hex(n)).append("\r\n").append(body, at, n).append("\r\n");
    at += n;
  }
  return text.append("0\r\n").append(trailers).append("\r\n");
}

void append_body(HttpText& to, Coding coding, uint64_t key, uint32_t size, const std::string& trailers) {
  if (coding == Coding::length) to.text += "Content-Length: " + std::to_string(size) + "\r\n";
  if (coding == Coding::chunked) to.text += "Transfer-Encoding: chunked\r\n";
  to.text += "\r\n";
  to.head = to.text.size();
  if (coding == Coding::none) return;
  const std::string body = body_of(key, size);
  to.text += coding == Coding::chunked ? chunked(body, key, trailers) : body;
}

Coding draw_response_coding(HttpPlan& plan, Dice& dice) {
  if (plan.verb != Verb::head && dice.below(8) == 0) {
    plan.status = dice.below(2) == 0 ? 204 : 304;
    return Coding::none;
  }
  const uint32_t drawn = dice.below(8);
  if (drawn == 0 && plan.verb != Verb::head) return Coding::until_close;
  return drawn < 4 ? Coding::chunked : Coding::length;
}

uint32_t draw_size(uint32_t most, Dice& dice) {
  const uint32_t drawn = dice.below(4);
  return drawn == 0 ? 0 : drawn < 3 ? dice.below(2'000) : dice.below(most + 1);
}

void draw_trouble(HttpPlan& plan, const HttpMood& mood, Dice& dice) {
  plan.cut = dice.below(10'000);
  if (dice.below(4) != 0) return;
  if (dice.below(3) == 0) {
    plan.misdeed = static_cast<Misdeed>(1 + dice.below(6));
    if (plan.misdeed == Misdeed::breaks_body && plan.up_coding != Coding::chunked) plan.misdeed = Misdeed::none;
    return;
  }
  plan.fault = static_cast<Fault>(1 + dice.below(mood.says_more ? 10 : 9));
  plan.fault_tries = dice.below(2) == 0 ? 1 : 1 + dice.below(5);
  if (plan.fault == Fault::says_more && plan.down_coding == Coding::until_close) plan.fault = Fault::resets;
  // The status tried again for has a body, if the head does not say otherwise.
  if (plan.fault == Fault::unwanted && plan.down_coding == Coding::none) plan.fault = Fault::resets;
  if (plan.fault != Fault::ends_body && plan.fault != Fault::cuts_body && plan.fault != Fault::stops_in_body) return;
  // Only a body with something in it can be cut, and its end be missed.
  const bool cuttable = plan.down_coding == Coding::length || plan.down_coding == Coding::chunked;
  if (plan.verb == Verb::head || !cuttable || plan.down < 2) plan.fault = Fault::resets;
}

}  // namespace

HttpPlan draw_plan(uint32_t id, const HttpMood& mood, uint32_t most, Dice& dice) {
  HttpPlan plan;
  plan.id = id;
  plan.route = dice.below(20) == 0 ? 'x' : "prtw"[dice.below(4)];
  plan.verb = static_cast<Verb>(dice.below(4));
  if (plan.verb == Verb::put || plan.verb == Verb::post) {
    plan.up_coding = dice.below(2) == 0 ? Coding::length : Coding::chunked;
    plan.up = draw_size(most, dice);
    plan.expects = plan.up > 0 && dice.below(5) == 0;
  }
  plan.half_closes = dice.below(20) == 0;
  plan.down_coding = draw_response_coding(plan, dice);
  plan.down = plan.down_coding == Coding::none ? 0 : draw_size(most, dice);
  plan.trailers = dice.below(3) == 0;
  plan.closes = plan.down_coding == Coding::until_close || dice.below(8) == 0;
  plan.early = plan.has_body() && dice.below(6) == 0;
  plan.interim = dice.below(6) == 0 ? static_cast<uint8_t>(1 + dice.below(2)) : uint8_t{0};
  plan.thinks = dice.below(2) == 0 ? 0 : dice.below(300) * kMillisecond;
  if (mood.disturbed) draw_trouble(plan, mood, dice);
  return plan;
}

std::string trailers_of(const HttpPlan& plan) {
  return plan.trailers ? "X-Sum: " + std::to_string(plan.id) + "\r\n" : "";
}

const char* name_of(Verb verb) {
  switch (verb) {
    case Verb::get:
      return "GET";
    case Verb::head:
      return "HEAD";
    case Verb::put:
      return "PUT";
    case Verb::post:
      return "POST";
  }
  return "";
}

char body_byte(uint64_t key, uint32_t at) {
  uint64_t mixed = (key + 1) * 0x9e3779b97f4a7c15u + uint64_t{at >> 3} * 0xbf58476d1ce4e5b9u;
  mixed ^= mixed >> 29;
  mixed *= 0x94d049bb133111ebu;
  return static_cast<char>(mixed >> (at & 7) * 8);
}

HttpText request_text(const HttpPlan& plan) {
  HttpText made;
  const std::string id = std::to_string(plan.id);
  made.text.append(name_of(plan.verb)).append(" /").append(1, plan.route).append("/").append(id);
  made.text.append(" HTTP/1.1\r\nHost: shop\r\nX-Id: ").append(id).append("\r\n");
  if (plan.expects) made.text += "Expect: 100-continue\r\n";
  if (plan.misdeed == Misdeed::says_nonsense) made.text += plan.cut % 2 == 0 ? "No colon\r\n" : "Content-Length: x\r\n";
  const std::string trailers = trailers_of(plan);
  append_body(made, plan.up_coding, request_key(plan.id), plan.up, trailers);
  if (plan.misdeed == Misdeed::breaks_body) {
    // In place of the last chunk.
    made.text.resize(made.text.rfind("0\r\n" + trailers));
    made.text += "more\r\n";
  }
  return made;
}

HttpText response_text(const HttpPlan& plan, uint32_t attempt) {
  HttpText made;
  if (plan.fails(attempt) && plan.fault == Fault::says_nonsense) {
    made.text =
        plan.cut % 2 == 0 ? "220 shop ESMTP\r\n" : "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n";
    made.head = made.text.size();
    return made;
  }
  const std::string id = std::to_string(plan.id);
  for (uint8_t i = 0; i < plan.interim; ++i) made.text += "HTTP/1.1 103 Early Hints\r\nX-Id: " + id + "\r\n\r\n";
  made.text += "HTTP/1.1 " + std::to_string(plan.status_of(attempt)) + " Planned\r\nX-Id: " + id;
  made.text += "\r\nX-Try: " + std::to_string(attempt) + "\r\n";
  if (plan.closes) made.text += "Connection: close\r\n";
  append_body(made, plan.down_coding, response_key(plan.id, attempt), plan.down, trailers_of(plan));
  if (plan.verb == Verb::head) made.text.resize(made.head);
  if (plan.fails(attempt) && plan.fault == Fault::says_more) made.text += "And another thing: nobody has asked.\r\n";
  return made;
}

}  // namespace flatproxy::sim
