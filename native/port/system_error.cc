#include "port/system_error.h"

#include <cerrno>
#include <cstring>

namespace flatproxy {

Error system_error(const std::string& doing, int number, const std::string& capability) {
  const std::string message = "cannot " + doing + ": " + strerror(number);
  switch (number) {
    case EPERM:
    case EACCES:
      return Error("ERR_FLATPROXY_PERMISSION", message + " (needs " + capability + ")",
                   "run as root or with " + capability + ", or inside a user and network namespace: unshare -Urn");
    case ENOMEM:
    case ENOBUFS:
    case EMFILE:
    case ENFILE:
      return Error("ERR_FLATPROXY_RESOURCE", message, "raise the limit of open files or memory");
    case EBUSY:
    case EEXIST:
      return Error("ERR_FLATPROXY_IN_USE", message,
                   "another process uses it: choose another name or stop that process");
    case ENODEV:
    case ENOENT:
    case ENXIO:
      return Error("ERR_FLATPROXY_NOT_FOUND", message, "check the name, and that it exists in this network namespace");
    case EOPNOTSUPP:
    case ENOSYS:
      return Error("ERR_FLATPROXY_UNSUPPORTED", message,
                   "the kernel lacks the feature: `flatproxy doctor` lists what is needed");
    default:
      return Error("ERR_FLATPROXY_SYSTEM", message);
  }
}

}  // namespace flatproxy
