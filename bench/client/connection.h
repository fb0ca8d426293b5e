// One HTTP/1.1 connection, non-blocking: connect, handshake, one request at a time, its response read whole.
#pragma once

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

enum progress { kWantRead, kWantWrite, kDone, kFailed };

struct target {
  struct sockaddr_in address;
  SSL_CTX* tls;          // NULL: plain
  SSL_SESSION* session;  // offered by every new connection when set
  bool resume;           // keep the first session that can be resumed
};

struct connection {
  int fd;  // -1: closed
  SSL* ssl;
  bool connected;
  bool handshaken;
  bool resumed;
  bool reusable;  // after kDone: the peer keeps it open
  const char* request;
  size_t request_length;
  size_t sent;
  char head[8192];
  size_t head_length;
  bool head_done;
  uint64_t body_left;
  uint64_t body_read;
};

void connection_init(struct connection* c);

// Begins a request, on a new connection when it is closed. Go on with connection_continue.
enum progress connection_start(struct connection* c, struct target* to, const char* request, size_t length);

// What can be done now; kDone when the response (a 200) is complete, kFailed when anything else came.
enum progress connection_continue(struct connection* c, struct target* to);

// Of an idle connection that is readable: false when its peer has closed it (and not only sent a session ticket).
bool connection_is_alive(struct connection* c);

void connection_close(struct connection* c);
