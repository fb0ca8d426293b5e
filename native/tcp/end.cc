#include "tcp/end.h"

namespace flatproxy::tcp {

void finish(Context& context, Connection& c, End why) {
  if (c.state == State::closed) return;
  c.state = State::closed;
  c.end = why;
  c.to_send.clear();
  // What has come before an orderly end may still be read.
  if (c.has(kOrphan) || why != End::closed) c.received.clear();
  if (c.flight != nullptr) context.give_back(std::move(c.flight));
  if (c.ahead != nullptr) context.give_back(std::move(c.ahead));
  c.retransmit = Retransmit::none;
  c.retransmit_at = c.ack_at = c.life_at = kNever;
  context.counters.ended.add(1);
  context.tell(c, kEnded);
  context.touch(c);
}

void enter_time_wait(Context& context, Connection& c) {
  c.state = State::time_wait;
  c.retransmit = Retransmit::none;
  c.retransmit_at = kNever;
  c.life_at = context.now + context.settings.time_wait;
}

}  // namespace flatproxy::tcp
