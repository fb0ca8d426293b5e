#include "http_client.h"

#include <algorithm>
#include <utility>

namespace flatproxy::sim {
namespace {

constexpr Nanoseconds kPatience = 300 * tcp::kMillisecond;  // for a 100 (RFC 9110 section 10.1.1)

}  // namespace

HttpClient::HttpClient(test::WorldPeer& host, Options options, Wrong wrong)
    : host_(host), options_(std::move(options)), wrong_(std::move(wrong)), next_at_(options_.begins) {
  reader_.on_content = [this](const char* bytes, size_t n) { take_content(bytes, n); };
}

void HttpClient::happen(uint8_t events, Nanoseconds now) {
  const bool ended = (events & tcp::kEnded) != 0;
  read(now, ended);  // what is not read at its end never is
  if (connection_ == nullptr) return;
  if (ended) return connection_->end == tcp::End::closed ? fin(now) : cut(now);
  write(now);
  if (connection_ != nullptr && connection_->peer_closed() && connection_->received.empty()) fin(now);
}

void HttpClient::step(Nanoseconds now) {
  if (connection_ == nullptr) {
    if (!done() && now >= next_at_) connect();
    return;
  }
  if (now < next_deadline()) return;
  if (now >= go_on_at_) {
    go_on_ = true;
    go_on_at_ = kNever;
  }
  if (now >= next_at_) next_at_ = kNever;
  happen(0, now);
}

Nanoseconds HttpClient::next_deadline() const {
  if (done()) return kNever;
  if (connection_ == nullptr) return next_at_;
  const bool waits_to_read = !connection_->received.empty() && !broken_;
  return std::min({next_at_, go_on_at_, waits_to_read ? read_at_ : kNever});
}

void HttpClient::connect() {
  connection_ = host_.connect("10.8.8.8", 9000, static_cast<uint16_t>(options_.first_port + connections_++));
  connection_->owner = this;
  next_at_ = kNever;
  reader_.restart();
  sent_ = read_;
  out_at_ = 0;
  out_ = {};
  held_ = has_ended_ = closing_ = early_ = go_on_ = false;
}

// What it sends.

void HttpClient::write(Nanoseconds now) {
  if (connection_ == nullptr || connection_->state == tcp::State::syn_sent) return;
  while (load(now)) {
    const size_t end = stop();
    while (out_at_ < end && host_.stack().may_send(*connection_)) {
      const auto n = static_cast<uint32_t>(std::min<size_t>(end - out_at_, 1400));
      const uint32_t took = host_.stack().send(*connection_, reinterpret_cast<const uint8_t*>(&out_.text[out_at_]), n);
      out_at_ += took;
      if (took < n) return;
    }
    if (out_at_ < end || misbehaves(now)) return;
    if (end < out_.text.size()) return;
    end_request();
  }
  const bool over = read_ == options_.stories.size() && !has_ended_;
  if (over && connection_ != nullptr) {
    has_ended_ = true;
    host_.stack().shut_down(*connection_);
  }
}

/// False: there is nothing to be sent now.
bool HttpClient::load(Nanoseconds now) {
  if (held_) return false;
  if (!out_.text.empty()) return true;
  if (sent_ == options_.stories.size() || (next_at_ != kNever && now < next_at_)) return false;
  if (!options_.pipelines && sent_ != read_) return false;
  HttpStory& story = *options_.stories[sent_];
  ++story.sendings;
  out_ = request_text(story.plan);
  out_at_ = 0;
  go_on_ = !story.plan.expects;
  go_on_at_ = story.plan.expects ? now + kPatience : kNever;
  return true;
}

/// How far the request may be sent.
size_t HttpClient::stop() const {
  const HttpPlan& plan = options_.stories[sent_]->plan;
  if (plan.misdeed == Misdeed::stops_in_head) return 1 + (out_.head - 2) * plan.cut / 10'000;
  size_t end = go_on_ ? out_.text.size() : out_.head;
  const bool ends = plan.misdeed == Misdeed::aborts_request || plan.misdeed == Misdeed::ends_request;
  if (ends) end = std::min(end, 1 + (out_.text.size() - 2) * plan.cut / 10'000);
  return end;
}

/// True: nothing more is sent on this connection.
bool HttpClient::misbehaves(Nanoseconds now) {
  const HttpPlan& plan = options_.stories[sent_]->plan;
  const bool all = out_at_ == out_.text.size();
  switch (plan.misdeed) {
    case Misdeed::aborts_request:
      if (out_at_ < stop() || out_at_ < 1 + (out_.text.size() - 2) * plan.cut / 10'000) return false;
      give_up(now);
      return true;
    case Misdeed::ends_request:
      if (out_at_ < 1 + (out_.text.size() - 2) * plan.cut / 10'000) return false;
      host_.stack().shut_down(*connection_);
      return held_ = has_ended_ = true;
    case Misdeed::stops_in_head:
      return held_ = true;
    case Misdeed::says_nonsense:
    case Misdeed::breaks_body:
      return held_ = all;
    default:
      return false;
  }
}

void HttpClient::end_request() {
  const HttpPlan& plan = options_.stories[sent_]->plan;
  ++sent_;
  out_ = {};
  out_at_ = 0;
  go_on_at_ = kNever;
  if (!plan.half_closes) return;
  held_ = has_ended_ = true;
  host_.stack().shut_down(*connection_);
}

}  // namespace flatproxy::sim
