import type { Case } from '../cases.js'
import { metrics, type Metric, type Values } from '../metrics.js'

/** What was measured, by `case/peer/metric`, a place for each round; NaN where a round has no value. */
export class Results {
  readonly #rounds = new Map<string, number[]>()

  add(round: number, work: string, peer: string, values: Values): void {
    for (const [metric, value] of Object.entries(values)) {
      const name = `${work}/${peer}/${metric}`
      const rounds = this.#rounds.get(name) ?? []
      while (rounds.length < round) rounds.push(NaN)
      rounds[round] = value
      this.#rounds.set(name, rounds)
    }
  }

  rounds(work: string, peer: string, metric: Metric): readonly number[] {
    return this.#rounds.get(`${work}/${peer}/${metric}`) ?? []
  }

  /** Forgets a `case`, or a `case/peer`. */
  forget(what: string): void {
    for (const name of this.#rounds.keys()) if (name.startsWith(`${what}/`)) this.#rounds.delete(name)
  }

  /** True when a `case/peer` has figures. */
  has(what: string): boolean {
    return [...this.#rounds.keys()].some((name) => name.startsWith(`${what}/`))
  }

  /**
   * Adds what `direct` makes of the others' figures: added latency, and the whole machine's work above it. Of the latter
   * only the difference is of use: the rest is the client's and the server's.
   */
  derive(cases: readonly Case[], peers: readonly string[]): void {
    for (const { name } of cases) {
      for (const peer of peers.filter((each) => each !== 'direct'))
        for (const [derived, metric] of above) this.#derive(name, peer, derived, metric)
      const gone = this.#rounds.has(`${name}/direct/machine_cpu_us`) ? ['direct'] : peers
      for (const peer of gone) this.#rounds.delete(`${name}/${peer}/machine_cpu_us`)
    }
  }

  #derive(work: string, peer: string, derived: Metric, metric: Metric): void {
    const direct = this.rounds(work, 'direct', metric)
    for (const [round, value] of this.rounds(work, peer, metric).entries()) {
      const difference = value - (direct[round] ?? NaN)
      if (!Number.isNaN(difference)) this.add(round, work, peer, { [derived]: difference })
    }
  }

  /** Names of rows with their rounds, in the order of cases, peers and metrics. */
  *entries(cases: readonly Case[], peers: readonly string[]): Generator<[name: string, rounds: readonly number[]]> {
    for (const { name } of cases)
      for (const peer of peers)
        for (const metric of Object.keys(metrics) as Metric[]) {
          const rounds = this.rounds(name, peer, metric).filter((value) => !Number.isNaN(value))
          if (rounds.length > 0) yield [`${name}/${peer}/${metric}`, rounds]
        }
  }
}

const above = [
  ['added_p50_us', 'p50_us'],
  ['added_p99_us', 'p99_us'],
  ['added_p999_us', 'p999_us'],
  ['machine_cpu_us', 'machine_cpu_us'],
] as const satisfies readonly (readonly [Metric, Metric])[]
