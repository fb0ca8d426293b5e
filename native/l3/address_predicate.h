#pragma once

#include "wire/address.h"

namespace flatproxy {

/// "Do we answer for this address?", asked of the caller's snapshot. Refers to a callable that must outlive it.
class AddressPredicate {
 public:
  template <typename Callable>
  AddressPredicate(const Callable& callable)  // NOLINT(google-explicit-constructor): passed where it is called
      : object_(&callable), call_([](const void* object, const wire::Address& address) -> bool {
          return (*static_cast<const Callable*>(object))(address);
        }) {}
  bool operator()(const wire::Address& address) const { return call_(object_, address); }

 private:
  const void* object_;
  bool (*call_)(const void*, const wire::Address&);
};

}  // namespace flatproxy
