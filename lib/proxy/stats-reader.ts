import type { ServiceStats, Stats } from '../api.js'

/** How long the share of busy time looks back, at least, in milliseconds. */
const busyWindow = 1_000

/** Busy nanoseconds of the lanes at a time. */
interface Sample {
  readonly at: number
  readonly busy: readonly number[]
}

/** Puts names to the addon's counters. */
export class StatsReader {
  private older: Sample
  private newer: Sample

  constructor(
    private readonly reasons: readonly { readonly name: string }[],
    private readonly cores: readonly number[],
  ) {
    this.older = this.newer = { at: performance.now(), busy: cores.map(() => 0) }
  }

  /** @param counters in the order that `Addon.stats` tells */
  read(counters: Float64Array, generation: number, ports: readonly string[], services: readonly string[]): Stats {
    let index = 0
    const next = () => counters[index++]!
    const lostEvents = next()
    const lanes = this.cores.map((core) => ({
      core,
      busy: next(),
      flows: next(),
      flowCapacity: next(),
    }))
    const reasons = this.reasons.map(({ name }) => [name, { packets: next(), bytes: next() }] as const)
    const portStats = ports.map((name) => [name, { receivedPackets: next(), sentPackets: next() }] as const)
    const serviceStats = services.map((name): [string, ServiceStats] => [
      name,
      { packets: next(), bytes: next(), newFlows: next(), activeFlows: next() },
    ])
    const shares = this.busyShares(lanes.map(({ busy }) => busy))
    return {
      at: Date.now(),
      generation,
      ports: Object.fromEntries(portStats),
      services: Object.fromEntries(serviceStats),
      reasons: Object.fromEntries(reasons) as Stats['reasons'],
      lanes: lanes.map((lane, lanesIndex) => ({ ...lane, busy: shares[lanesIndex]! })),
      lostEvents,
    }
  }

  /** The lanes' busy shares since a sample that is at least {@link busyWindow} old, or since the start. */
  private busyShares(busy: readonly number[]): number[] {
    const at = performance.now()
    if (at - this.newer.at >= busyWindow) {
      this.older = this.newer
      this.newer = { at, busy }
    }
    const { older } = this
    const nanoseconds = Math.max(at - older.at, 1e-3) * 1e6
    return busy.map((value, lane) => Math.min(1, Math.max(0, (value - older.busy[lane]!) / nanoseconds)))
  }
}
