#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "http_ledger.h"
#include "http_mesh.h"
#include "support/world.h"

namespace flatproxy::sim {

/// What a node has told of an exchange.
struct HttpRecord {
  ExchangeFacts facts;
  std::string method;
  std::string route;
  std::string service;
};

/// Whatever a node has told: each exchange that has begun once.
class HttpRecords {
 public:
  /// Has a node tell of every exchange.
  static void ask(test::World& node) { node.shared().want_exchanges = true; }
  /// Takes what it has told.
  HttpRecords(test::World& node, unsigned lanes);
  uint64_t count() const { return count_; }
  /// Of the exchange with this id, which its path says.
  const std::vector<HttpRecord>& of(uint32_t id) const;

 private:
  uint64_t count_ = 0;
  std::map<uint32_t, std::vector<HttpRecord>> by_id_;
};

/// Whether what was told of an exchange is what has become of it.
std::optional<std::string> judge_record(const HttpStory& story, const HttpRecords& records, const HttpMood& mood,
                                        const HttpMesh& mesh);

}  // namespace flatproxy::sim
