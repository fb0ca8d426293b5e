import type { LatencyStats } from '../api.js'

/** Where each bucket ends, in milliseconds, and how many it holds; in the order of their ends. */
export type Buckets = LatencyStats['buckets']

/** What buckets say. @param total of all durations, in milliseconds */
export function latencyOf(buckets: Buckets, total: number): LatencyStats {
  const count = buckets.reduce((sum, [, held]) => sum + held, 0)
  const at = (share: number) => percentile(buckets, count, share)
  return {
    count,
    mean: count === 0 ? 0 : total / count,
    p50: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    p999: at(0.999),
    p9999: at(0.9999),
    buckets,
  }
}

/** The end of the bucket that holds it: no less than the true one. */
function percentile(buckets: Buckets, count: number, share: number): number {
  let rest = Math.ceil(count * share)
  for (const [end, held] of buckets) if ((rest -= held) <= 0) return end
  return 0
}

/** What was added to earlier buckets. */
export function addedSince(now: Buckets, before: Buckets): Buckets {
  const old = new Map(before)
  return now.flatMap(([end, held]) => {
    const added = held - (old.get(end) ?? 0)
    return added > 0 ? [[end, added] as const] : []
  })
}
