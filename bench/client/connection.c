#define _GNU_SOURCE
#include "connection.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void connection_init(struct connection* c) {
  memset(c, 0, sizeof *c);
  c->fd = -1;
}

void connection_close(struct connection* c) {
  if (c->fd < 0) return;
  if (c->ssl) {
    // Without it OpenSSL takes the session for broken, and would not offer it again.
    SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(c->ssl);
  }
  close(c->fd);
  connection_init(c);
}

static bool open_socket(struct connection* c, struct target* to) {
  const int one = 1;
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (c->fd < 0) return false;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (connect(c->fd, (struct sockaddr*)&to->address, sizeof to->address) < 0 && errno != EINPROGRESS) return false;
  if (!to->tls) return true;
  c->ssl = SSL_new(to->tls);
  if (!c->ssl || !SSL_set_fd(c->ssl, c->fd)) return false;
  if (to->session) SSL_set_session(c->ssl, to->session);
  SSL_set_connect_state(c->ssl);
  return true;
}

enum progress connection_start(struct connection* c, struct target* to, const char* request, size_t length) {
  if (c->fd < 0 && !open_socket(c, to)) return kFailed;
  c->request = request;
  c->request_length = length;
  c->sent = c->head_length = 0;
  c->body_left = c->body_read = 0;
  c->head_done = false;
  return c->connected ? connection_continue(c, to) : kWantWrite;
}

static enum progress tls_progress(struct connection* c, int result) {
  const int error = SSL_get_error(c->ssl, result);
  if (error == SSL_ERROR_WANT_READ) return kWantRead;
  return error == SSL_ERROR_WANT_WRITE ? kWantWrite : kFailed;
}

// Bytes moved, or 0 with `*state` set; an end of the stream is a failure, bodies have lengths here.
static size_t receive(struct connection* c, char* into, size_t room, enum progress* state) {
  ssize_t n = 0;
  if (c->ssl) {
    n = SSL_read(c->ssl, into, (int)room);
    if (n <= 0) *state = tls_progress(c, (int)n);
  } else {
    n = recv(c->fd, into, room, 0);
    if (n <= 0) *state = n < 0 && errno == EAGAIN ? kWantRead : kFailed;
  }
  return n > 0 ? (size_t)n : 0;
}

static size_t transmit(struct connection* c, const char* from, size_t length, enum progress* state) {
  ssize_t n = 0;
  if (c->ssl) {
    n = SSL_write(c->ssl, from, (int)length);
    if (n <= 0) *state = tls_progress(c, (int)n);
  } else {
    n = send(c->fd, from, length, MSG_NOSIGNAL);
    if (n <= 0) *state = n < 0 && errno == EAGAIN ? kWantWrite : kFailed;
  }
  return n > 0 ? (size_t)n : 0;
}

// Takes a complete head apart: true when it is a 200 whose body has a length.
static bool read_head(struct connection* c, size_t end) {
  c->head[end - 1] = 0;
  if (strncmp(c->head, "HTTP/1.1 200", 12) != 0) return false;
  const char* field = strcasestr(c->head, "\r\ncontent-length:");
  if (!field) return false;
  const uint64_t length = strtoull(field + 17, NULL, 10);
  c->reusable = strcasestr(c->head, "\r\nconnection: close") == NULL;
  const uint64_t here = c->head_length - end;
  if (here > length) return false;
  c->body_read = here;
  c->body_left = length - here;
  c->head_done = true;
  return true;
}

static enum progress feed_head(struct connection* c) {
  enum progress state = kFailed;
  if (c->head_length == sizeof c->head) return kFailed;
  const size_t n = receive(c, c->head + c->head_length, sizeof c->head - c->head_length, &state);
  if (n == 0) return state;
  c->head_length += n;
  const char* end = memmem(c->head, c->head_length, "\r\n\r\n", 4);
  if (!end) return c->head_length < sizeof c->head ? kWantRead : kFailed;
  if (!read_head(c, (size_t)(end - c->head) + 4)) return kFailed;
  return c->body_left == 0 ? kDone : kWantRead;
}

static enum progress feed_body(struct connection* c) {
  static char scratch[256 * 1024];
  enum progress state = kFailed;
  const size_t room = c->body_left < sizeof scratch ? (size_t)c->body_left : sizeof scratch;
  const size_t n = receive(c, scratch, room, &state);
  if (n == 0) return state;
  c->body_read += n;
  c->body_left -= n;
  return c->body_left == 0 ? kDone : kWantRead;
}

static enum progress shake_hands(struct connection* c) {
  const int result = SSL_do_handshake(c->ssl);
  if (result != 1) return tls_progress(c, result);
  c->handshaken = true;
  c->resumed = SSL_session_reused(c->ssl);
  return kDone;
}

static void keep_session(struct connection* c, struct target* to) {
  SSL_SESSION* session = SSL_get1_session(c->ssl);
  if (session && SSL_SESSION_is_resumable(session))
    to->session = session;
  else
    SSL_SESSION_free(session);
}

enum progress connection_continue(struct connection* c, struct target* to) {
  enum progress state = kDone;
  c->connected = true;
  if (c->ssl && !c->handshaken && (state = shake_hands(c)) != kDone) return state;
  while (c->sent < c->request_length) {
    const size_t n = transmit(c, c->request + c->sent, c->request_length - c->sent, &state);
    if (n == 0) return state;
    c->sent += n;
  }
  do state = c->head_done ? feed_body(c) : feed_head(c);
  while (state == kWantRead && c->ssl && SSL_pending(c->ssl) > 0);  // epoll does not see what OpenSSL holds
  if (state == kDone && to->resume && to->session == NULL) keep_session(c, to);
  return state;
}

bool connection_is_alive(struct connection* c) {
  char byte;
  if (!c->ssl) return recv(c->fd, &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;
  return tls_progress(c, SSL_peek(c->ssl, &byte, 1)) == kWantRead;
}
