#pragma once

#include <functional>
#include <string>
#include <vector>

#include "http_ledger.h"
#include "http_reader.h"
#include "support/world_peer.h"

namespace flatproxy::sim {

/// A client: its exchanges, in their order, over one connection after the other.
class HttpClient {
 public:
  struct Options {
    Nanoseconds begins = 0;
    uint16_t first_port = 0;  ///< of its connections, each of which has one of its own
    bool pipelines = false;   ///< asks before it is answered
    Nanoseconds rests = 0;    ///< between reads of few bytes; 0: it reads all that is there
    std::vector<HttpStory*> stories;
  };
  using Wrong = std::function<void(const HttpStory& about, const std::string& what)>;
  HttpClient(test::WorldPeer& host, Options options, Wrong wrong);

  /// Something has happened to its connection.
  void happen(uint8_t events, Nanoseconds now);
  /// Does what is due.
  void step(Nanoseconds now);
  Nanoseconds next_deadline() const;
  bool done() const { return connection_ == nullptr && read_ == options_.stories.size(); }

 private:
  // http_client.cc: its connections, and what it sends.
  void connect();
  void write(Nanoseconds now);
  bool load(Nanoseconds now);
  size_t stop() const;
  bool misbehaves(Nanoseconds now);
  void end_request();

  // http_client_read.cc: what comes.
  void wrong(const std::string& what);
  void read(Nanoseconds now, bool all);
  bool front_is_enough();
  void take_head();
  void check_planned(const HttpHead& head);
  void begin_body(const HttpHead& head);
  void take_content(const char* bytes, size_t n);
  void end_response(Nanoseconds now);
  void give_up(Nanoseconds now);
  void end_all(HttpStory::End end);
  void fin(Nanoseconds now);
  void cut(Nanoseconds now);
  void end_connection(Nanoseconds now);
  HttpStory& front() { return *options_.stories[read_]; }
  /// Requests, or parts of one, are without a response.
  bool asks() const { return read_ < sent_ || (read_ == sent_ && out_at_ > 0); }

  test::WorldPeer& host_;
  const Options options_;
  const Wrong wrong_;
  tcp::Connection* connection_ = nullptr;
  uint16_t connections_ = 0;
  HttpReader reader_;
  size_t sent_ = 0;  // stories whose requests were sent
  size_t read_ = 0;  // stories that have ended
  HttpText out_;     // the request that is being sent
  size_t out_at_ = 0;
  bool go_on_ = false;      // with a body, though nobody has said so
  bool held_ = false;       // nothing more is sent on this connection
  bool has_ended_ = false;  // its side of this connection
  bool closing_ = false;    // the proxy has said that it closes
  bool early_ = false;      // there was a response in front of the end of a request
  bool own_ = false;        // the response that comes is the proxy's
  bool broken_ = false;
  Nanoseconds next_at_ = 0;  // a connection, or a request
  Nanoseconds go_on_at_ = kNever;
  Nanoseconds read_at_ = 0;
};

}  // namespace flatproxy::sim
