import type { HttpStats, ListenerStats, ServiceStats, Stats, TcpStats } from '../api.js'
import type { Addon } from '../native.js'

/** How long the share of busy time looks back, at least, in milliseconds. */
const busyWindow = 1_000

const statusClasses = ['1xx', '2xx', '3xx', '4xx', '5xx'] as const

/** Busy nanoseconds of the lanes at a time. */
interface Sample {
  readonly at: number
  readonly busy: readonly number[]
}

/** What the counters of ports, services and listeners belong to, in their order. */
export interface CountedNames {
  readonly ports: readonly string[]
  readonly services: readonly string[]
  readonly listeners: readonly string[]
}

/** Puts names to the addon's counters. */
export class StatsReader {
  private older: Sample
  private newer: Sample

  constructor(
    private readonly addon: Pick<
      Addon,
      'reasons' | 'tcpCounters' | 'listenerCounters' | 'httpOutcomes' | 'httpRefusals'
    >,
    private readonly cores: readonly number[],
  ) {
    this.older = this.newer = { at: performance.now(), busy: cores.map(() => 0) }
  }

  /** @param counters in the order that `Addon.stats` tells */
  read(counters: Float64Array, generation: number, names: CountedNames): Stats {
    let index = 0
    const next = () => counters[index++]!
    const nextOf = (keys: readonly string[]) => Object.fromEntries(keys.map((key) => [key, next()] as const))
    const lostEvents = next()
    const lanes = this.cores.map((core) => ({
      core,
      busy: next(),
      flows: next(),
      flowCapacity: next(),
      buffersInUse: next(),
    }))
    const reasons = this.addon.reasons.map(({ name }) => [name, { packets: next(), bytes: next() }] as const)
    const tcp = nextOf(this.addon.tcpCounters) as unknown as TcpStats
    const portStats = names.ports.map((name) => [name, { receivedPackets: next(), sentPackets: next() }] as const)
    const serviceStats = names.services.map((name): [string, ServiceStats] => [
      name,
      { packets: next(), bytes: next(), newFlows: next(), activeFlows: next() },
    ])
    const listenerStats = names.listeners.map((name) => {
      const counters = nextOf(this.addon.listenerCounters)
      const http: HttpStats = {
        requests: next(),
        activeRequests: next(),
        retries: next(),
        statuses: nextOf(statusClasses) as HttpStats['statuses'],
        outcomes: nextOf(this.addon.httpOutcomes),
        refused: nextOf(this.addon.httpRefusals),
      }
      return [name, { ...counters, http }] as const
    })
    const shares = this.busyShares(lanes.map(({ busy }) => busy))
    return {
      at: Date.now(),
      generation,
      ports: Object.fromEntries(portStats),
      services: Object.fromEntries(serviceStats),
      listeners: Object.fromEntries(listenerStats) as unknown as Record<string, ListenerStats>,
      tcp,
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
