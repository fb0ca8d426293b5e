#pragma once

#include "wire/sequence.h"

namespace flatproxy::tcp {

using Sequence = uint32_t;

}  // namespace flatproxy::tcp
