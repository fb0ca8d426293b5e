import type {
  ExchangeStats,
  HttpStats,
  ListenerStats,
  PolicyStats,
  ServiceStats,
  Stats,
  TcpStats,
  TlsStats,
} from '../api.js'
import type { Addon } from '../native.js'
import { roceClasses } from '../roce.js'
import { latencyOf, type Buckets } from './latency.js'

/** How long the share of busy time looks back, at least, in milliseconds. */
const busyWindow = 1_000

const statusClasses = ['1xx', '2xx', '3xx', '4xx', '5xx'] as const

const exchangeCounters = ['active', 'retries', 'failures', 'bytesUp', 'bytesDown'] as const

const noExchanges: ExchangeStats = {
  requests: 0,
  ...(Object.fromEntries(exchangeCounters.map((name) => [name, 0])) as Record<
    (typeof exchangeCounters)[number],
    number
  >),
  statuses: { '1xx': 0, '2xx': 0, '3xx': 0, '4xx': 0, '5xx': 0 },
  latency: latencyOf([], 0),
}

/** Busy nanoseconds of the lanes at a time. */
interface Sample {
  readonly at: number
  readonly busy: readonly number[]
}

/** What counters belong to, in their order. */
export interface CountedNames {
  readonly ports: readonly string[]
  readonly services: readonly string[]
  readonly listeners: readonly string[]
  readonly routes: readonly string[]
  readonly endpoints: readonly (readonly [service: string, endpoint: string])[]
  readonly policies: readonly string[]
}

/** Puts names to the addon's counters. */
export class StatsReader {
  private older: Sample
  private newer: Sample

  constructor(
    private readonly addon: Pick<
      Addon,
      | 'reasons'
      | 'tcpCounters'
      | 'listenerCounters'
      | 'policyCounters'
      | 'tlsFailures'
      | 'httpOutcomes'
      | 'httpRefusals'
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
    const roce = this.roce(next)
    const accessLog = { written: next(), lost: next() }
    const portStats = names.ports.map(
      (name) => [name, { receivedPackets: next(), sentPackets: next(), spoofedPackets: next() }] as const,
    )
    const serviceStats = names.services.map((name): [string, ServiceStats] => [
      name,
      { packets: next(), bytes: next(), newFlows: next(), activeFlows: next() },
    ])
    const listenerStats = names.listeners.map((name) => {
      const counters = nextOf(this.addon.listenerCounters)
      const tls: TlsStats = { handshakes: next(), resumed: next(), failures: nextOf(this.addon.tlsFailures) }
      const http: HttpStats = {
        requests: next(),
        activeRequests: next(),
        retries: next(),
        statuses: nextOf(statusClasses) as HttpStats['statuses'],
        outcomes: nextOf(this.addon.httpOutcomes),
        refused: nextOf(this.addon.httpRefusals),
      }
      return [name, { ...counters, tls, http }] as const
    })
    const exchanges = (): ExchangeStats => {
      const requests = next()
      if (requests === 0) return noExchanges
      const counters = nextOf(exchangeCounters) as unknown as Omit<ExchangeStats, 'requests' | 'statuses' | 'latency'>
      const statuses = nextOf(statusClasses) as ExchangeStats['statuses']
      const total = next() / 1e6
      const buckets: Buckets = Array.from({ length: next() }, () => [next() / 1e3, next()] as const)
      return { requests, ...counters, statuses, latency: latencyOf(buckets, total) }
    }
    const routes = names.routes.map((name) => [name, exchanges()] as const)
    const endpoints: Stats['endpoints'] = {}
    for (const [service, endpoint] of names.endpoints) {
      const counters = exchanges()
      if (counters.requests > 0) (endpoints[service] ??= {})[endpoint] = counters
    }
    const policies = names.policies.map(
      (name) => [name, nextOf(this.addon.policyCounters) as unknown as PolicyStats] as const,
    )
    const shares = this.busyShares(lanes.map(({ busy }) => busy))
    return {
      at: Date.now(),
      generation,
      ports: Object.fromEntries(portStats),
      services: Object.fromEntries(serviceStats),
      listeners: Object.fromEntries(listenerStats) as unknown as Record<string, ListenerStats>,
      routes: Object.fromEntries(routes),
      endpoints,
      policies: Object.fromEntries(policies),
      accessLog,
      tcp,
      roce,
      reasons: Object.fromEntries(reasons) as Stats['reasons'],
      lanes: lanes.map((lane, lanesIndex) => ({ ...lane, busy: shares[lanesIndex]! })),
      lostEvents,
    }
  }

  private roce(next: () => number): Stats['roce'] {
    const [flows, evicted, retransmitted, naks] = [next(), next(), next(), next()]
    const classes = roceClasses.map((name) => [name, { packets: next(), bytes: next() }] as const)
    return {
      flows,
      evicted,
      retransmitted,
      naks,
      classes: Object.fromEntries(classes) as Stats['roce']['classes'],
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
