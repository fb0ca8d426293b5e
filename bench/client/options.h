// What loadgen is asked to do.
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum mode { kOpen, kClosed, kHold };

struct options {
  enum mode mode;
  const char* address;
  unsigned port;
  const char* path;
  double rate;     // requests/s, open mode
  double seconds;  // how long requests are made
  double drain;    // how long the last ones may take, seconds
  unsigned connections;
  bool close;  // a new connection for each request
  bool tls;
  bool resume;  // TLS: resume a session
};

// Exits with 2 and the usage when they are wrong.
struct options read_options(int count, char** arguments);

// The request of these options; to be freed.
char* build_request(const struct options* options, size_t* length);
