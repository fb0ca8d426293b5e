import { workOf, type Case } from '../cases.js'
import { measureIdle, socketPair } from '../measure/idle.js'
import { direct } from '../peers/forwarders.js'
import type { Opened, Peer } from '../peers/peer.js'
import type { Town } from '../town/town.js'
import { loadOf } from './load.js'
import { Results } from './results.js'
import { measureLoaded, measureSaturated, place, withPeer, type Measurement } from './round.js'

/** How a run is measured. */
export interface Plan {
  readonly cases: readonly Case[]
  readonly peers: readonly Peer[]
  readonly rounds: number
  /** Of one measurement at saturation: a whole number of seconds. */
  readonly seconds: number
  /** Of one at the open-loop load, seconds; 0: none are made. */
  readonly loadSeconds: number
  /** How many cases are measured of a peer before the next one's turn: with one the peers' figures lie nearest in time. */
  readonly together: number
  /** Idle connections of `idle`. */
  readonly connections: number
  /** Where what is fetched (Envoy) is kept. */
  readonly cache: string
  /** Seconds after which nothing noisy is measured again. */
  readonly budget: number
  /** A peer that is made slower, to check the instrument. */
  readonly slow?: { readonly peer: string; readonly percent: number } | undefined
  /** Loads of a run that this one is compared with, by case. */
  readonly loads: ReadonlyMap<string, number>
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

/** What is being measured. */
export interface Progress {
  /** Of this pass over the cases, from 0 to 1; undefined: a remark. */
  readonly share?: number
  readonly text: string
}

export interface Absent {
  readonly name: string
  readonly why: string
}

type Part = 'saturated' | 'loaded'

/** The rounds of a run over one town. */
export class Session {
  readonly results = new Results()
  readonly loads: Map<string, number>
  /** Latencies at the load over all rounds: by `case/peer`, how many by their upper bound in us. */
  readonly latencies = new Map<string, Map<number, number>>()
  /** What went wrong, by `case/peer`: the last reason. */
  readonly failures = new Map<string, string>()
  /** How often, by `case/peer`. */
  readonly #failed = new Map<string, number>()
  /** The share of the cores' time that the hypervisor took, of each measurement. */
  readonly stolen: number[] = []
  readonly #plan: Plan
  readonly #town: Town
  readonly #idle: number
  #pair = 0
  #done = 0
  #total = 0
  #last = 0

  constructor(plan: Plan, town: Town, idle: number) {
    this.#plan = plan
    this.#town = town
    this.#idle = idle
    this.loads = new Map(plan.loads)
  }

  /** Measures cases of all peers that carry them, `rounds` times more, in alternating order; `first` is the number of the first. */
  async measure(cases: readonly Case[], first: number): Promise<void> {
    this.#begin(cases, first)
    for (let round = first; round < this.#last; round++) {
      const peers = round % 2 === 0 ? this.#plan.peers : this.#plan.peers.toReversed()
      const unknown = cases.filter((work) => this.#isLoaded(work) && !this.loads.has(work.name))
      // The load is half of what the slowest can do: known when all have been at their limit once.
      if (unknown.length > 0) {
        await this.#pass(round, cases, peers, ['saturated'])
        for (const { name } of unknown) this.#findLoad(round, name)
        await this.#pass(
          round,
          cases.filter((work) => this.#isLoaded(work)),
          peers,
          ['loaded'],
        )
      } else await this.#pass(round, cases, peers, ['saturated', 'loaded'])
    }
    // What failed once and has figures of other rounds was told; what has none is absent.
    for (const name of this.#failed.keys())
      if (!this.#isLost(name) && this.results.has(name)) this.failures.delete(name)
  }

  #begin(cases: readonly Case[], first: number): void {
    const each = cases.map(
      (work) => this.#plan.peers.filter((peer) => this.#carries(peer, work)).length * (this.#isLoaded(work) ? 2 : 1),
    )
    this.#done = 0
    this.#last = first + this.#plan.rounds
    this.#total = this.#plan.rounds * each.reduce((sum, count) => sum + count, 0)
  }

  #isLoaded = (work: Case) => this.#plan.loadSeconds > 0 && (workOf(work).load ?? false)

  #carries(peer: Peer, work: Case): boolean {
    return peer.refuses(work) === undefined && !this.#isLost(`${work.name}/${peer.name}`)
  }

  /** Twice is no accident. */
  #isLost = (name: string) => (this.#failed.get(name) ?? 0) >= 2

  #findLoad(round: number, work: string): void {
    const rates = this.#plan.peers.map(({ name }) => {
      const rps = this.results.rounds(work, name, 'rps')[round]
      const gbps = this.results.rounds(work, name, 'gbps')[round]
      return rps ?? (gbps === undefined ? Infinity : (gbps * 1e9) / 8 / (10 * 1024 * 1024))
    })
    const load = loadOf(rates)
    if (load !== undefined) this.loads.set(work, load)
  }

  async #pass(round: number, cases: readonly Case[], peers: readonly Peer[], parts: readonly Part[]): Promise<void> {
    for (const group of this.#groups(cases, parts))
      for (const peer of peers) {
        const carried = group.filter((work) => this.#carries(peer, work))
        if (carried.length === 0) continue
        await this.#open(peer, carried, (opened) => this.#measureGroup(round, peer, opened, carried, parts))
      }
  }

  /** Cases that are measured of a peer in one go. Memory at rest is that of a peer that has not worked yet. */
  #groups(cases: readonly Case[], parts: readonly Part[]): Case[][] {
    const busy = cases.filter(({ base }) => base !== 'idle')
    const idle = parts.includes('saturated') ? cases.filter(({ base }) => base === 'idle') : []
    const { together } = this.#plan
    const count = Math.ceil(busy.length / together)
    const groups = Array.from({ length: count }, (_, index) => busy.slice(index * together, (index + 1) * together))
    return [...groups, ...idle.map((work) => [work])]
  }

  /** A peer that does not start has none of these cases; that is told, and the rest goes on. */
  async #open(peer: Peer, group: readonly Case[], use: (opened: Opened) => Promise<void>): Promise<void> {
    this.#plan.signal?.throwIfAborted()
    const { slow, cache, signal } = this.#plan
    const slower = { LD_PRELOAD: `${this.#town.folder}/slow.so`, FLATPROXY_BENCH_SLOW_PERCENT: String(slow?.percent) }
    const site = { town: this.#town, cache, environment: slow?.peer === peer.name ? slower : {} }
    try {
      await withPeer(peer, site, group[0]!, use)
    } catch (error) {
      signal?.throwIfAborted()
      for (const work of group) this.#fail(peer, work, error)
    }
  }

  #fail(peer: Peer, work: Case, error: unknown): void {
    const name = `${work.name}/${peer.name}`
    const { message } = error as Error
    this.#plan.onProgress?.({ text: `failed: ${name}: ${message}` })
    this.failures.set(name, message)
    this.#failed.set(name, (this.#failed.get(name) ?? 0) + 1)
    if (this.#isLost(name)) this.results.forget(name)
  }

  async #measureGroup(
    round: number,
    peer: Peer,
    opened: Opened,
    group: readonly Case[],
    parts: readonly Part[],
  ): Promise<void> {
    let placed = false // as devices come: nowhere
    for (const work of group) {
      this.#plan.signal?.throwIfAborted()
      try {
        if (placed !== work.own || (peer.inKernel && work === group[0])) place(peer, opened, work)
        placed = work.own
        await this.#measureCase(round, peer, opened, work, parts)
      } catch (error) {
        if (opened.program && !opened.program.isUp) throw opened.program.failure()
        this.#fail(peer, work, error)
      }
    }
  }

  async #measureCase(round: number, peer: Peer, opened: Opened, work: Case, parts: readonly Part[]): Promise<void> {
    const target = opened.target(work)
    const common = { idle: this.#idle, seconds: this.#plan.seconds }
    if (work.base === 'idle') return this.#measureIdle(round, peer, opened, work)
    if (parts.includes('saturated')) {
      this.#tell(round, peer, work, 'saturated')
      this.#keep(round, peer, work, await measureSaturated(this.#town, work, target, common))
    }
    const rate = this.loads.get(work.name)
    if (!parts.includes('loaded') || !this.#isLoaded(work) || rate === undefined) return
    this.#tell(round, peer, work, `${rate}/s`)
    const load = { ...common, rate, seconds: this.#plan.loadSeconds }
    const measured = await measureLoaded(this.#town, work, target, load)
    this.#keep(round, peer, work, measured)
    this.#addLatencies(`${work.name}/${peer.name}`, measured.seen.buckets)
  }

  async #measureIdle(round: number, peer: Peer, opened: Opened, work: Case): Promise<void> {
    this.#tell(round, peer, work, 'idle')
    const passedOn = (peer.endToEnd ?? false) || work.kind === 'tcp' || work.kind === 'l4'
    const options = { connections: this.#plan.connections, pair: this.#pair, passedOn }
    this.results.add(round, work.name, peer.name, await measureIdle(this.#town, work, opened, options))
  }

  /** What a connection's own two sockets take, measured before anything else. */
  async measurePair(work: Case): Promise<void> {
    const site = { town: this.#town, cache: this.#plan.cache, environment: {} }
    const plain = { ...work, kind: 'http' as const }
    this.#pair = await withPeer(direct, site, plain, (opened) =>
      socketPair(this.#town, opened.target(plain), plain, this.#plan.connections),
    )
  }

  #keep(round: number, peer: Peer, work: Case, { values, stolen }: Measurement): void {
    this.results.add(round, work.name, peer.name, values)
    this.stolen.push(stolen)
  }

  #addLatencies(name: string, buckets: readonly (readonly [number, number])[]): void {
    const counts = this.latencies.get(name) ?? new Map<number, number>()
    for (const [bound, count] of buckets) counts.set(bound, (counts.get(bound) ?? 0) + count)
    this.latencies.set(name, counts)
  }

  #tell(round: number, peer: Peer, work: Case, what: string): void {
    const text = `round ${round + 1} of ${this.#last}: ${work.name} ${peer.name} (${what})`
    this.#plan.onProgress?.({ share: this.#total === 0 ? 0 : Math.min(1, this.#done / this.#total), text })
    this.#done++
  }
}
