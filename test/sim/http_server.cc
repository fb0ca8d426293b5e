#include "http_server.h"

#include <utility>

namespace flatproxy::sim {

HttpServer::HttpServer(test::WorldPeer& host, tcp::Connection& connection, const Outside& outside)
    : host_(host), connection_(&connection), outside_(outside) {
  reader_.on_content = [this](const char* bytes, size_t n) { take_content(bytes, n); };
}

void HttpServer::happen(uint8_t events, Nanoseconds now) {
  if ((events & tcp::kOpened) != 0) rest(now);
  read(now);
  if (gone()) return;
  if ((events & tcp::kEnded) != 0) {
    connection_ = nullptr;  // the host lets it go
    return;
  }
  write(now);
  if (!gone() && connection_->peer_closed() && connection_->received.empty()) leave(false);
}

void HttpServer::step(Nanoseconds now) {
  if (gone()) return;
  if (now >= answer_at_) {
    answer_at_ = kNever;
    begin_answer();
    if (!gone()) write(now);
  }
  // The other side's next request may be on its way.
  if (!gone() && now >= close_at_) leave(false);
}

void HttpServer::wrong(const std::string& what) {
  silent_ = true;
  outside_.wrong(story_, what);
}

// The request.

void HttpServer::read(Nanoseconds now) {
  char bytes[4096];
  while (!gone() && !silent_) {
    const uint32_t n = connection_->received.peek(reinterpret_cast<uint8_t*>(bytes), sizeof(bytes));
    if (n == 0) break;
    if (request_done_) return wrong(closing_ ? "a request came behind the last response" : "a request came too soon");
    const size_t taken = closing_ ? n : reader_.take(bytes, n);
    close_at_ = kNever;
    connection_->received.drop_front(static_cast<uint32_t>(taken));
    if (closing_) continue;
    if (reader_.at() == HttpReader::At::head_end) take_head(now);
    if (!gone() && reader_.at() == HttpReader::At::end) end_request(now);
    if (reader_.at() == HttpReader::At::broken) return wrong("its request is broken");
  }
  if (!gone()) host_.stack().taken(*connection_);
}

void HttpServer::take_head(Nanoseconds now) {
  const HttpHead head = HttpHead::of(reader_.head());
  story_ = outside_.ledger.find(head.number("x-id"));
  if (story_ == nullptr) return wrong("a request that nobody has sent: " + reader_.head());
  check_head(head, reader_.head());
  story_->tries.push_back({});
  attempt_ = static_cast<uint32_t>(story_->tries.size());
  const HttpPlan& plan = story_->plan;
  reader_.begin_body(plan.up_coding, plan.up);
  if (plan.early) {
    answer_at_ = now + plan.thinks;
  } else if (plan.expects) {
    host_.send(*connection_, "HTTP/1.1 100 Continue\r\n\r\n");
  }
}

void HttpServer::check_head(const HttpHead& head, const std::string& text) {
  const HttpPlan& plan = story_->plan;
  const std::string id = std::to_string(plan.id);
  std::map<std::string, std::string> fields{{"host", "shop"}, {"x-id", id}};
  if (plan.expects) fields["expect"] = "100-continue";
  if (plan.up_coding == Coding::length) fields["content-length"] = std::to_string(plan.up);
  if (plan.up_coding == Coding::chunked) fields["transfer-encoding"] = "chunked";
  const std::string first = std::string(name_of(plan.verb)) + " /" + plan.route + "/" + id + " HTTP/1.1";
  if (!head.good || head.first != first || head.fields != fields) wrong("its head has become " + text);
}

void HttpServer::take_content(const char* bytes, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    const uint32_t at = attempt().up++;
    if (at >= story_->plan.up) return wrong("its request is longer than it was");
    if (bytes[i] != body_byte(request_key(story_->plan.id), at))
      return wrong("byte " + std::to_string(at) + " of its request is another one");
  }
}

void HttpServer::end_request(Nanoseconds now) {
  request_done_ = true;
  const HttpPlan& plan = story_->plan;
  attempt().whole = true;
  if (attempt().up != plan.up) wrong("its request has ended early");
  if (plan.misdeed == Misdeed::breaks_body) wrong("its request has become whole");
  if (plan.up_coding == Coding::chunked && reader_.trailers() != trailers_of(plan))
    wrong("its trailers have become " + reader_.trailers());
  if (response_done_) return rest(now);
  if (!plan.early) answer_at_ = now + plan.thinks;
}

// The response.

void HttpServer::begin_answer() {
  if (fails(Fault::resets) || fails(Fault::closes)) return leave(fails(Fault::resets));
  if (fails(Fault::is_silent)) {
    silent_ = true;
    return;
  }
  const HttpText made = response_text(story_->plan, attempt_);
  out_ = made.text;
  sent_ = 0;
  end_ = out_.size();
  const uint32_t cut = story_->plan.cut;
  if (fails(Fault::cuts_head)) end_ = 1 + (made.head - 2) * cut / 10'000;
  if (fails(Fault::cuts_body) || fails(Fault::ends_body) || fails(Fault::stops_in_body))
    end_ = made.head + (out_.size() - made.head) * cut / 10'000;
  answering_ = true;
}

void HttpServer::write(Nanoseconds now) {
  while (answering_ && sent_ < end_ && host_.stack().may_send(*connection_)) {
    const auto n = static_cast<uint32_t>(std::min<size_t>(end_ - sent_, 1400));
    const uint32_t took = host_.stack().send(*connection_, reinterpret_cast<const uint8_t*>(&out_[sent_]), n);
    sent_ += took;
    attempt().said = static_cast<uint32_t>(sent_);
    if (took < n) return;
  }
  if (!answering_ || sent_ < end_) return;
  answering_ = false;
  if (end_ < out_.size()) return act_up();
  end_answer(now);
}

/// A part of a response is all that there is of it.
void HttpServer::act_up() {
  silent_ = fails(Fault::stops_in_body);
  if (!silent_) leave(!fails(Fault::ends_body));
}

void HttpServer::end_answer(Nanoseconds now) {
  attempt().answered = true;
  response_done_ = true;
  if (story_->plan.closes) {
    closing_ = true;
    host_.stack().shut_down(*connection_);
    return;
  }
  if (request_done_) rest(now);
}

/// The exchange is over.
void HttpServer::rest(Nanoseconds now) {
  request_done_ = response_done_ = false;
  story_ = nullptr;
  reader_.restart();
  const Nanoseconds patience = outside_.draw_patience();
  close_at_ = patience == kNever ? kNever : now + patience;
}

void HttpServer::leave(bool reset) {
  tcp::Connection& c = *std::exchange(connection_, nullptr);
  answer_at_ = close_at_ = kNever;
  if (reset) return host_.abort(c);
  host_.stack().close(c);
}

}  // namespace flatproxy::sim
