import type { LatencyStats } from '../api.js'

export type Labels = Readonly<Record<string, string | number>>

/** A family of metrics: what it means, and its samples. The name of a counter is written without its `_total`. */
export interface Family {
  name: string
  type: 'counter' | 'gauge'
  /** The name ends in it (OpenMetrics 1.0, "Unit"). */
  unit?: 'bytes' | 'ratio'
  help: string
  samples: readonly (readonly [labels: Labels, value: number])[]
}

/** A distribution of durations. */
export interface Distribution {
  name: string
  help: string
  samples: readonly (readonly [labels: Labels, latency: LatencyStats])[]
}

/** A sample of each of some named objects, with the name as a label. */
export const samplesBy =
  <Counters>(label: string, objects: Readonly<Record<string, Counters>>) =>
  (value: (counters: Counters) => number) =>
    Object.entries(objects).map(([name, counters]) => [{ [label]: name }, value(counters)] as const)

function family(
  type: Family['type'],
  name: string,
  help: string,
  samples: Family['samples'],
  unit?: Family['unit'],
): Family {
  return { name, type, help, samples, ...(unit && { unit }) }
}

export const counter = family.bind(undefined, 'counter')
export const gauge = family.bind(undefined, 'gauge')
