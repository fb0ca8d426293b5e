#include "health/health_prober.h"

#include <algorithm>
#include <utility>

#include "wire/protocol.h"
#include "wire/tcp.h"

namespace flatproxy {
namespace {

constexpr Nanoseconds kMillisecond = 1'000'000;

Tuple tuple_to(const wire::Address& source, const wire::Address& address, uint16_t port) {
  return {source, address, 0, port, wire::protocol::kTcp, static_cast<uint8_t>(address.is_v4() ? 4 : 6)};
}

}  // namespace

HealthProber::HealthProber(EndpointHealth& health, HealthListener& listener, std::function<uint64_t()> random,
                           ProberOptions options)
    : health_(health),
      listener_(listener),
      random_(std::move(random)),
      options_(options),
      ports_(options.first_port, options.last_port) {}

void HealthProber::tick(Nanoseconds now, std::vector<ProbePacket>& out) {
  for (uint32_t looked = 0; looked < kTimersPerTick && timers_.next() <= now; ++looked) {
    const ProbeTimers::Timer timer = timers_.take();
    const Target& target = targets_[timer.target];
    if (target.stamp != timer.stamp) continue;
    if (target.source_port != 0) {
      conclude(timer.target, ProbeResult::timed_out, now);
      continue;
    }
    if (ports_.exhausted()) ++counts_.waited;
    waiting_.push_back(timer);
  }
  start_waiting(now, out);
}

void HealthProber::start_waiting(Nanoseconds now, std::vector<ProbePacket>& out) {
  for (uint32_t started = 0; started < options_.burst && !waiting_.empty() && !ports_.exhausted(); ++started) {
    const ProbeTimers::Timer timer = waiting_.front();
    waiting_.pop_front();
    if (targets_[timer.target].stamp == timer.stamp) start(timer.target, now, out);
  }
}

Nanoseconds HealthProber::next_deadline(Nanoseconds now) const {
  if (!waiting_.empty() && !ports_.exhausted()) return now;
  return timers_.next();
}

void HealthProber::start(uint32_t index, Nanoseconds now, std::vector<ProbePacket>& out) {
  Target& target = targets_[index];
  target.sent = now;
  const wire::Address* source = snapshot_->own_for(target.address);
  if (source == nullptr) {
    conclude(index, ProbeResult::no_route, now);
    return;
  }
  const auto sequence = static_cast<uint32_t>(random_());
  const ProbePorts::Probe* probe = ports_.take(tuple_to(*source, target.address, target.port), sequence, index);
  target.source_port = probe->tuple.source_port;
  out.push_back({probe->tuple, sequence, wire::kSyn});
  ++counts_.sent;
  schedule(index, now + check_of(target).timeout * kMillisecond);
}

HealthProber::Answer HealthProber::answer(const Tuple& received, uint8_t flags, uint32_t acknowledgment,
                                          Nanoseconds now, ProbePacket& reply) {
  const ProbePorts::Probe* probe = ports_.find(received.reversed());
  if (probe == nullptr) return Answer::not_ours;
  const bool acknowledges = (flags & wire::kAck) != 0 && acknowledgment == probe->sequence + 1;
  const bool decides = acknowledges && probe->target != kNobody;
  if ((flags & wire::kRst) != 0) {
    // "If the RST bit is set ... if the ACK was acceptable" (RFC 9293 section 3.10.7.3): a forger has to guess.
    if (decides) conclude(probe->target, ProbeResult::refused, now);
    return Answer::taken;
  }
  if ((flags & wire::kAck) == 0) return Answer::taken;
  // Whatever else acknowledges belongs to an older connection of this tuple that the endpoint still has: reset it too.
  reply = {received.reversed(), acknowledgment, wire::kRst};
  if (decides && (flags & wire::kSyn) != 0) conclude(probe->target, ProbeResult::answered, now);
  return Answer::reply;
}

bool HealthProber::unreachable(const Tuple& sent, uint32_t sequence, Nanoseconds now) {
  const ProbePorts::Probe* probe = ports_.find(sent);
  if (probe == nullptr) return false;
  // The sequence number tells a router's answer from a forger's (RFC 5927 section 4.1).
  if (probe->target != kNobody && probe->sequence == sequence) conclude(probe->target, ProbeResult::unreachable, now);
  return true;
}

void HealthProber::conclude(uint32_t index, ProbeResult result, Nanoseconds now) {
  Target& target = targets_[index];
  if (target.source_port != 0) ports_.give_back(std::exchange(target.source_port, uint16_t{0}));
  const HealthCheck& check = check_of(target);
  judge(target, check, result);
  schedule(index, std::max(now, next_start(target, check)));
}

void HealthProber::judge(Target& target, const HealthCheck& check, ProbeResult result) {
  const bool good = result == ProbeResult::answered;
  ++(good ? counts_.answered : counts_.failed);
  const bool decides_alone = std::exchange(target.untried, false);
  if (good == target.healthy) {
    target.contrary = 0;
    return;
  }
  ++target.contrary;
  if (!decides_alone && target.contrary < (good ? check.healthy : check.unhealthy)) return;
  target.contrary = 0;
  target.healthy = good;
  health_.set(target.endpoint, good);
  listener_.health_changed(target.service, target.endpoint, good, result);
}

Nanoseconds HealthProber::next_start(const Target& target, const HealthCheck& check) {
  const double interval = static_cast<double>(check.interval * kMillisecond);
  return target.sent + static_cast<Nanoseconds>(interval * (1 + check.jitter * (2 * random_share() - 1)));
}

void HealthProber::schedule(uint32_t index, Nanoseconds due) { timers_.add({due, index, ++targets_[index].stamp}); }

void HealthProber::schedule_first(uint32_t index, const HealthCheck& check, Nanoseconds now) {
  const Nanoseconds spread = std::min(kFirstSpread, check.interval * kMillisecond);
  schedule(index, now + static_cast<Nanoseconds>(static_cast<double>(spread) * random_share()));
}

double HealthProber::random_share() { return static_cast<double>(random_() >> 11) * 0x1p-53; }

const HealthCheck& HealthProber::check_of(const Target& target) const {
  return *snapshot_->services[target.service]->health_check;
}

}  // namespace flatproxy
