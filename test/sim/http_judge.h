#pragma once

#include <optional>
#include <string>

#include "http_ledger.h"
#include "http_mesh.h"

namespace flatproxy::sim {

/// Whether an exchange has ended as it may, whatever has come to whom.
/// @param mesh as it was at first  @param in_order no link has lost, or changed the order of what it carries
std::optional<std::string> judge_story(const HttpStory& story, const HttpLedger& ledger, const HttpMood& mood,
                                       const HttpMesh& mesh, bool in_order);

}  // namespace flatproxy::sim
