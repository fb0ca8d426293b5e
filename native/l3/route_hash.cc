#include "l3/route_hash.h"

#include <algorithm>
#include <bit>

#include "packet/flow_hash.h"
#include "wire/bytes.h"

namespace flatproxy {
namespace {

// The first `bits` of 64 set, in the order of host words.
uint64_t mask_of(unsigned bits) { return bits == 0 ? 0 : bits >= 64 ? ~uint64_t{0} : ~uint64_t{0} << (64 - bits); }

}  // namespace

RouteHash::RouteHash(size_t prefixes) {
  if (prefixes != 0) slots_.resize(std::bit_ceil(2 * prefixes));
}

RouteHash::Key RouteHash::key_of(const wire::Address& address) {
  return {wire::load64(address.bytes.data()), wire::load64(&address.bytes[8])};
}

size_t RouteHash::place(const Key& key, uint8_t bits) const {
  const uint64_t hash = fold_multiply(key.high ^ kBalanceKey.words[0], key.low ^ kBalanceKey.words[1]);
  return fold_multiply(hash ^ bits, kBalanceKey.words[2]) & (slots_.size() - 1);
}

// The prefix's slot, or the empty one where it would be: half of the slots are empty.
const RouteHash::Slot& RouteHash::probe(const Key& key, uint8_t bits) const {
  size_t at = place(key, bits);
  while (slots_[at].value != 0 && (slots_[at].bits != bits || slots_[at].key != key))
    at = (at + 1) & (slots_.size() - 1);
  return slots_[at];
}

void RouteHash::insert(const wire::Address& address, unsigned length, uint32_t value) {
  const auto bits = static_cast<uint8_t>(length);
  if (lengths_.empty() || lengths_.back().bits != bits) {
    lengths_.push_back({mask_of(length), mask_of(length > 64 ? length - 64 : 0), bits});
  }
  const Key key = key_of(address);
  slots_[static_cast<size_t>(&probe(key, bits) - slots_.data())] = {key, value, bits};
}

uint32_t RouteHash::lookup(const wire::Address& address) const {
  const Key key = key_of(address);
  for (size_t i = lengths_.size(); i-- > 0;) {
    const Length& length = lengths_[i];
    const Slot& slot = probe({key.high & length.high_mask, key.low & length.low_mask}, length.bits);
    if (slot.value != 0) return slot.value;
  }
  return 0;
}

}  // namespace flatproxy
