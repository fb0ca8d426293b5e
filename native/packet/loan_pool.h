#pragma once

#include "packet/segment_pool.h"

namespace flatproxy {

/// Segments without storage of their own: each shows a part of another one, its lender, and holds a reference to it.
/// So the same bytes can stand in a queue and in several frames. A loan may be released by any thread; its lender then
/// goes free when the owner of this pool collects.
class LoanPool : public SegmentPool {
 public:
  explicit LoanPool(uint32_t loans) : SegmentPool(loans, 0) {}

  /// Shows `length` bytes of a segment of this thread's from `data` on; nullptr: the pool is empty.
  Segment* borrow(Segment* lender, uint8_t* data, uint32_t length) {
    Segment* loan = allocate(0);
    if (loan == nullptr) return nullptr;
    loan->shared = lender->shared;
    if (lender->pool == this) lender = static_cast<Segment*>(lender->foreign);  // no chains of loans
    ++lender->references;
    loan->foreign = lender;
    loan->data = loan->buffer = data;
    loan->length = loan->capacity = length;
    return loan;
  }

 protected:
  void give_back_from_afar(Segment* loan) override {
    if (loan->away) {
      SegmentPool::give_back_from_afar(loan);
      return;
    }
    settle(loan);
    give_back(loan);
  }
  void settle(Segment* loan) override {
    auto* lender = static_cast<Segment*>(loan->foreign);
    loan->foreign = nullptr;
    if (--lender->references == 0) lender->pool->give_back(lender);
  }
};

}  // namespace flatproxy
