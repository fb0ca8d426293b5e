#include "tls/streams.h"

#include <utility>

#include "tls/server_context.h"

namespace flatproxy::tls {

bool Streams::secure(tcp::Connection& c, std::shared_ptr<const ServerContext> context) {
  if (handshakes_ == kMostHandshakes) {
    count(c, Failure::overload);
    return false;
  }
  ++handshakes_;
  c.attached = std::make_unique<Session>(c, std::move(context));
  // Its first bytes may be here already.
  stack_.tell(c, tcp::kReadable);
  return true;
}

// What comes.

void Streams::take_in(tcp::Connection& c) {
  read(c);
  if (session_of(c).stage() == Session::Stage::failed) c.events |= tcp::kEnded;
}

/// Where the owner has taken, there is room to open more.
void Streams::take_more(tcp::Connection& c) {
  Session& session = session_of(c);
  if (session.stage() == Session::Stage::handshake) return;
  const uint32_t before = session.plain.bytes();
  const bool had_closed = session.peer_has_closed;
  read(c);
  if (session.plain.bytes() != before || session.peer_has_closed != had_closed) stack_.tell(c, tcp::kReadable);
  if (session.stage() == Session::Stage::failed) stack_.tell(c, tcp::kEnded);
}

void Streams::read(tcp::Connection& c) {
  Session& session = session_of(c);
  const Session::Stage before = session.stage();
  const uint32_t held = c.received.held();
  tcp::ByteQueue out;
  session.read(c.received, out, buffers_);
  if (c.received.held() != held) stack_.taken(c);
  if (!out.empty()) stack_.send(c, std::move(out));
  // What is left is no whole record.
  const bool no_more = c.peer_closed() || (c.state == tcp::State::closed && c.end == tcp::End::closed);
  if (no_more && session.plain.empty()) session.end_of_bytes();
  note(c, before);
}

void Streams::note(const tcp::Connection& c, Session::Stage before) {
  const Session& session = session_of(c);
  if (session.stage() == before) return;
  if (before == Session::Stage::handshake) --handshakes_;
  TlsCounters& counters = counters_of(c);
  if (session.stage() == Session::Stage::open) {
    counters.handshakes.add(1);
    if (session.resumed()) counters.resumed.add(1);
  } else {
    count(c, session.failure());
  }
}

// What goes.

void Streams::send_sealed(tcp::Connection& c, tcp::ByteQueue&& data) {
  Session& session = session_of(c);
  if (session.stage() == Session::Stage::failed || c.state == tcp::State::closed || c.has(tcp::kFinQueued))
    return data.clear();
  session.pending.append(std::move(data));
  if (std::exchange(session.in_flush, true)) return;
  written_.push_back(&session);
}

uint32_t Streams::send(tcp::Connection& c, const uint8_t* bytes, uint32_t n) {
  if (c.attached == nullptr) return stack_.send(c, bytes, n);
  tcp::ByteQueue data;
  if (data.copy_in(bytes, n, buffers_) != n) return 0;
  send_sealed(c, std::move(data));
  return n;
}

/// Those for whom there are no buffers stay for the next time.
void Streams::flush() {
  if (written_.empty()) [[likely]]
    return;
  size_t kept = 0;
  for (Session* session : written_) {
    tcp::Connection& c = session->connection();
    const Session::Stage before = session->stage();
    tcp::ByteQueue out;
    session->in_flush = !session->write(out, buffers_);
    if (session->in_flush) written_[kept++] = session;
    if (!out.empty()) stack_.send(c, std::move(out));
    note(c, before);
    if (session->stage() == Session::Stage::failed) stack_.tell(c, tcp::kEnded);
  }
  written_.resize(kept);
}

void Streams::shut_down(tcp::Connection& c) {
  if (c.attached != nullptr && session_of(c).stage() != Session::Stage::failed && !c.has(tcp::kFinQueued)) {
    tcp::ByteQueue out;
    const bool whole = session_of(c).write_end(out, buffers_);
    if (!out.empty()) stack_.send(c, std::move(out));
    // Without a close_notify the peer knows that something is missing.
    if (!whole) session_of(c).pending.clear();
  }
  stack_.shut_down(c);
}

void Streams::close(tcp::Connection& c) {
  if (c.attached != nullptr) {
    const bool unread = !session_of(c).plain.empty() && session_of(c).stage() != Session::Stage::failed;
    if (unread) return abort(c);
    shut_down(c);
    let_go(c);
  }
  stack_.close(c);
}

void Streams::abort(tcp::Connection& c) {
  const bool failed = c.attached != nullptr && session_of(c).stage() == Session::Stage::failed;
  if (c.attached != nullptr) let_go(c);
  if (!failed) return stack_.abort(c);
  c.received.clear();
  stack_.close(c);
}

void Streams::let_go(tcp::Connection& c) {
  if (session_of(c).stage() == Session::Stage::handshake) --handshakes_;
  if (session_of(c).in_flush) std::erase(written_, &session_of(c));
  c.attached.reset();
}

}  // namespace flatproxy::tls
