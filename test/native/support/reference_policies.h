#pragma once

#include <string>

#include "classify/policy_table.h"

namespace flatproxy::test {

/// What policies say of a flow, by going through them one after the other as their semantics are written.
Judgement judge_plainly(const PolicySet& set, const PolicyKey& key);
/// What is to be done with it, likewise.
PolicyDuties duties_plainly(const PolicySet& set, const PolicyKey& key);

}  // namespace flatproxy::test
