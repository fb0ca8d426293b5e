#include "packet/error.h"

#include <utility>

namespace flatproxy {

Error::Error(std::string error_code, const std::string& message, std::string error_remedy)
    : std::runtime_error(message), code(std::move(error_code)), remedy(std::move(error_remedy)) {}

}  // namespace flatproxy
