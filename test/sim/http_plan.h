#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "packet/segment.h"
#include "support/faulty_link.h"

namespace flatproxy::sim {

enum class Verb : uint8_t { get, head, put, post };

/// How the end of a body is told.
enum class Coding : uint8_t { none, length, chunked, until_close };

/// What is wrong with an endpoint when a request comes to it.
enum class Fault : uint8_t {
  none,
  unwanted,       ///< answers with a status that the rule tries again for
  resets,         ///< says nothing
  closes,         ///< likewise
  is_silent,      ///< for longer than any timeout
  says_nonsense,  ///< which is no HTTP
  cuts_head,      ///< resets within it
  cuts_body,      ///< resets within it
  ends_body,      ///< closes within it
  stops_in_body,  ///< for longer than any timeout
  says_more,      ///< than its response
};

/// What is wrong with a client.
enum class Misdeed : uint8_t {
  none,
  aborts_request,   ///< resets within it
  ends_request,     ///< closes its side within it
  stops_in_head,    ///< for longer than any timeout
  says_nonsense,    ///< which is no HTTP
  breaks_body,      ///< its chunks are none
  aborts_response,  ///< resets within it
};

/// What one exchange is to be. Client and endpoint know it by its number.
struct HttpPlan {
  uint32_t id = 0;
  char route = 'p';  ///< the first part of its path: see HttpMesh; 'x': no route is for it
  // The request.
  Verb verb = Verb::get;
  Coding up_coding = Coding::none;
  uint32_t up = 0;           ///< bytes of content
  bool expects = false;      ///< to be told to go on with its body
  bool half_closes = false;  ///< the client says no more behind it
  Misdeed misdeed = Misdeed::none;
  // The response.
  uint16_t status = 200;
  Coding down_coding = Coding::length;
  uint32_t down = 0;
  bool trailers = false;
  bool closes = false;  ///< and says so
  bool early = false;   ///< as soon as the request's head is there
  uint8_t interim = 0;  ///< responses of status 103 before
  Nanoseconds thinks = 0;
  Fault fault = Fault::none;
  uint32_t fault_tries = 0;  ///< the first ones are what the fault concerns
  uint32_t cut = 0;          ///< where in a message, in parts of 10,000

  bool has_body() const { return up_coding != Coding::none; }
  bool idempotent() const { return verb != Verb::post; }
  bool fails(uint32_t attempt) const { return fault != Fault::none && attempt <= fault_tries; }
  /// Attempts count from 1.
  uint16_t status_of(uint32_t attempt) const { return fault == Fault::unwanted && fails(attempt) ? 503 : status; }
};

/// What is unusual in a whole run.
struct HttpMood {
  bool faulty = false;       ///< links lose, or pause
  bool disturbed = false;    ///< some exchange is to fail
  bool idle_closes = false;  ///< endpoints close connections that are idle
  bool refuses = false;      ///< endpoints take no connections for a while
  bool limited = false;      ///< connections to endpoints are few
  bool changes = false;      ///< routes and endpoints
  bool says_more = false;    ///< endpoints say what nobody has asked for
};

/// Draws an exchange. @param most bytes of a body
HttpPlan draw_plan(uint32_t id, const HttpMood& mood, uint32_t most, test::Dice& dice);

const char* name_of(Verb verb);
/// A byte of a body. @param key whose it is: request_key() or response_key()
char body_byte(uint64_t key, uint32_t at);
inline uint64_t request_key(uint32_t id) { return uint64_t{id} << 32; }
inline uint64_t response_key(uint32_t id, uint32_t attempt) { return uint64_t{id} << 32 | attempt; }

/// The lines of its trailers, of requests and of responses.
std::string trailers_of(const HttpPlan& plan);

/// A message as it is sent.
struct HttpText {
  std::string text;
  size_t head = 0;  ///< bytes of its head, interim ones in front of it included
};
HttpText request_text(const HttpPlan& plan);
HttpText response_text(const HttpPlan& plan, uint32_t attempt);

}  // namespace flatproxy::sim
