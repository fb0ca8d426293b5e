#pragma once

#include <functional>
#include <string>

#include "http_ledger.h"
#include "http_reader.h"
#include "support/world_peer.h"

namespace flatproxy::sim {

/// An endpoint's side of one connection: answers each request as its plan says.
class HttpServer {
 public:
  struct Outside {
    HttpLedger& ledger;
    std::function<void(const HttpStory* about, const std::string& what)> wrong;
    /// How long an idle connection is kept; kNever: as long as the other side likes.
    std::function<Nanoseconds()> draw_patience;
  };
  HttpServer(test::WorldPeer& host, tcp::Connection& connection, const Outside& outside);

  /// Something has happened to its connection.
  void happen(uint8_t events, Nanoseconds now);
  /// Does what is due.
  void step(Nanoseconds now);
  Nanoseconds next_deadline() const { return std::min(answer_at_, close_at_); }
  /// The connection is no more this one's.
  bool gone() const { return connection_ == nullptr; }

 private:
  void wrong(const std::string& what);
  void read(Nanoseconds now);
  void take_head(Nanoseconds now);
  void check_head(const HttpHead& head, const std::string& text);
  void take_content(const char* bytes, size_t n);
  void end_request(Nanoseconds now);
  void begin_answer();
  void write(Nanoseconds now);
  void act_up();
  void end_answer(Nanoseconds now);
  void rest(Nanoseconds now);
  void leave(bool reset);
  bool fails(Fault fault) const { return story_->plan.fault == fault && story_->plan.fails(attempt_); }
  HttpTry& attempt() { return story_->tries[attempt_ - 1]; }

  test::WorldPeer& host_;
  tcp::Connection* connection_;
  const Outside& outside_;
  HttpReader reader_;
  HttpStory* story_ = nullptr;  // of the request that is being answered; nullptr: there is none
  uint32_t attempt_ = 0;
  std::string out_;
  size_t sent_ = 0;
  size_t end_ = 0;  // bytes of `out_` that are sent before something goes wrong, or all
  bool answering_ = false;
  bool request_done_ = false;
  bool response_done_ = false;
  bool silent_ = false;   // it does no more
  bool closing_ = false;  // it has said its last; what comes is dropped
  Nanoseconds answer_at_ = kNever;
  Nanoseconds close_at_ = kNever;
};

}  // namespace flatproxy::sim
