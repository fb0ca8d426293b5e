// What comes to a client, and how its connections end.
#include <algorithm>

#include "http_client.h"

namespace flatproxy::sim {
namespace {

constexpr uint32_t kSlowBytes = 1'500;  // that a slow client reads before it rests
constexpr Nanoseconds kReconnects = 50 * tcp::kMillisecond;

/// Some ask again at once, some think about what they have read.
Nanoseconds pause_behind(const HttpStory& story) {
  return story.plan.id % 3 == 0 ? story.plan.id % 40 * 50 * tcp::kMillisecond : 0;
}

}  // namespace

void HttpClient::wrong(const std::string& what) {
  broken_ = true;
  wrong_(read_ < options_.stories.size() ? front() : *options_.stories.back(), what);
}

void HttpClient::read(Nanoseconds now, bool all) {
  char bytes[4096];
  while (connection_ != nullptr && !broken_ && (all || now >= read_at_)) {
    const uint32_t most = options_.rests > 0 ? kSlowBytes : sizeof(bytes);
    const uint32_t n = connection_->received.peek(reinterpret_cast<uint8_t*>(bytes), most);
    if (n == 0) break;
    if (reader_.fresh() && !asks()) return wrong("more has come than responses");
    const auto taken = static_cast<uint32_t>(reader_.take(bytes, n));
    connection_->received.drop_front(taken);
    if (options_.rests > 0) read_at_ = now + options_.rests;
    if (reader_.at() == HttpReader::At::broken) return wrong("its response is broken");
    if (reader_.at() == HttpReader::At::head_end) take_head();
    if (reader_.at() == HttpReader::At::end) end_response(now);
    const bool enough = connection_ != nullptr && front_is_enough();
    if (enough) give_up(now);
  }
  if (connection_ != nullptr) host_.stack().taken(*connection_);
}

/// Of its response, for a client that gives up in the middle.
bool HttpClient::front_is_enough() {
  if (read_ == options_.stories.size() || reader_.at() != HttpReader::At::body) return false;
  const HttpPlan& plan = front().plan;
  return plan.misdeed == Misdeed::aborts_response && front().down >= plan.down * uint64_t{plan.cut} / 10'000;
}

void HttpClient::take_head() {
  const HttpHead head = HttpHead::of(reader_.head());
  const HttpPlan& plan = front().plan;
  const bool version = head.first.starts_with("HTTP/1.1 ") && head.first.size() > 12;
  if (!head.good || !version) return wrong("its response begins with " + reader_.head());
  if (head.first == "HTTP/1.1 100 Continue" && plan.expects) {
    go_on_ |= sent_ == read_;
    return reader_.restart();
  }
  if (head.first == "HTTP/1.1 103 Early Hints" && plan.interim > 0 && head.number("x-id") == plan.id)
    return reader_.restart();
  front().status = static_cast<uint16_t>(std::atoi(head.first.c_str() + 9));
  closing_ = head.field("connection") == "close";
  own_ = head.field("x-id").empty();
  if (!own_) check_planned(head);
  begin_body(head);
}

/// Whether it is what an endpoint has said, to this request.
void HttpClient::check_planned(const HttpHead& head) {
  HttpStory& story = front();
  const HttpPlan& plan = story.plan;
  const int64_t attempt = head.number("x-try");
  if (head.number("x-id") != plan.id) return wrong("its response is another's: " + reader_.head());
  if (attempt < 1 || attempt > static_cast<int64_t>(story.tries.size())) return wrong("nobody has sent its response");
  story.attempt = static_cast<uint32_t>(attempt);
  std::map<std::string, std::string> fields{{"x-id", std::to_string(plan.id)}, {"x-try", std::to_string(attempt)}};
  if (plan.down_coding == Coding::length) fields["content-length"] = std::to_string(plan.down);
  if (plan.down_coding == Coding::chunked && plan.verb != Verb::head) fields["transfer-encoding"] = "chunked";
  if (closing_) fields["connection"] = "close";
  const std::string first = "HTTP/1.1 " + std::to_string(plan.status_of(story.attempt)) + " Planned";
  if (head.first != first || head.fields != fields) wrong("its response's head has become " + reader_.head());
  if (plan.down_coding == Coding::until_close && !closing_) wrong("its response has no end");
  if (plan.expects && sent_ == read_ && !go_on_ && !closing_) wrong("its body is still awaited");
}

void HttpClient::begin_body(const HttpHead& head) {
  const HttpPlan& plan = front().plan;
  const int64_t length = head.number("content-length");
  if (own_ && (length < 0 || length > 100)) return wrong("the proxy's answer is odd: " + reader_.head());
  Coding coding = own_ ? Coding::length : plan.down_coding;
  // Of a request that was refused it is not known what it has asked.
  const bool refused = own_ && (front().status == 408 || front().status == 400);
  if (plan.verb == Verb::head && !refused) coding = Coding::none;
  reader_.begin_body(coding, coding == Coding::length ? static_cast<uint64_t>(length) : 0);
}

void HttpClient::take_content(const char* bytes, size_t n) {
  HttpStory& story = front();
  const uint64_t key = response_key(story.plan.id, story.attempt);
  for (size_t i = 0; i < n; ++i) {
    const uint32_t at = story.down++;
    if (own_) continue;
    if (at >= story.plan.down) return wrong("its response is longer than it was");
    if (bytes[i] != body_byte(key, at)) return wrong("byte " + std::to_string(at) + " of its response is another one");
  }
}

void HttpClient::end_response(Nanoseconds now) {
  HttpStory& story = front();
  if (!own_ && story.plan.verb != Verb::head && story.down != story.plan.down)
    return wrong("its response was said to end after " + std::to_string(story.down) + " bytes");
  const bool chunked = !own_ && reader_.coding() == Coding::chunked;
  if (chunked && reader_.trailers() != trailers_of(story.plan))
    return wrong("its response's trailers have become " + reader_.trailers());
  story.end = own_ ? HttpStory::End::own : HttpStory::End::whole;
  reader_.restart();
  early_ |= story.plan.early || sent_ == read_;
  held_ |= closing_;
  ++read_;
  if (!options_.pipelines && pause_behind(story) > 0) next_at_ = now + pause_behind(story);
}

/// Ends its connection in the middle of everything.
void HttpClient::give_up(Nanoseconds now) {
  end_all(HttpStory::End::given_up);
  host_.abort(*connection_);
  end_connection(now);
}

/// All that was asked for and not answered ends.
void HttpClient::end_all(HttpStory::End end) {
  const size_t behind = out_at_ > 0 ? sent_ + 1 : sent_;
  if (read_ == behind) return;
  const uint32_t first = front().plan.id;
  for (; read_ < behind; ++read_) {
    front().end = end;
    front().first = first;
    front().last = options_.stories[behind - 1]->plan.id;
  }
}

/// The other side has closed, and all that it has said was read.
void HttpClient::fin(Nanoseconds now) {
  if (reader_.at() == HttpReader::At::body && reader_.coding() == Coding::until_close) end_response(now);
  if (!reader_.fresh()) return wrong("its response was cut, and looks as if that were its end");
  const bool ended = held_ && sent_ == read_ && out_at_ > 0;
  if (asks() && !closing_ && !early_ && !ended) return wrong("its connection was closed without a response");
  if (asks() && ended && !closing_) end_all(HttpStory::End::cut);
  host_.stack().close(*connection_);
  end_connection(now);
}

/// The connection is no more.
void HttpClient::cut(Nanoseconds now) {
  // Behind what it has called the last response it has done nothing.
  if (!closing_ || !reader_.fresh()) end_all(HttpStory::End::cut);
  end_connection(now);
}

/// What was not answered, and may be sent again, is sent on another one.
void HttpClient::end_connection(Nanoseconds now) {
  connection_ = nullptr;
  go_on_at_ = kNever;
  next_at_ = now + kReconnects;
}

}  // namespace flatproxy::sim
