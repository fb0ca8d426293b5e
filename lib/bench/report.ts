import type { Machine } from './machine.js'

/** A figure: the median of its rounds. */
export interface Row {
  /** `case/peer/metric`, or the name of a figure of the engine. */
  name: string
  value: number
  unit: string
  better: 'more' | 'less'
  /** In the order in which they were measured. */
  rounds: readonly number[]
  /** The open-loop load under which it was measured, as `2000 requests/s`. */
  load?: string
  /** The same figure of the peer that does only what this one cannot do without. */
  floor?: number
}

/** How a figure of one peer stands to another's, in the same rounds: 95 % of such intervals hold the truth. */
export interface Ratio {
  /** `case/metric`. */
  name: string
  of: string
  to: string
  value: number
  low: number
  high: number
}

/** A run, as its JSON file holds it. */
export interface Report {
  machine: Machine
  commit: string
  /** ISO 8601. */
  date: string
  /** What was typed. */
  command: string
  rows: Row[]
  absent: { name: string; why: string }[]
  ratios: Ratio[]
  /** What makes the figures doubtful; empty in a quiet run. */
  noise: string[]
  /** Latencies at the open-loop load, by `case/peer`: [upper bound in us, how many]. */
  latencies: Record<string, readonly (readonly [number, number])[]>
  /** The open-loop loads, by case, requests a second. */
  loads: Record<string, number>
}

/** The parts of a row's name; a figure of the engine is a case alone. */
export function partsOf(name: string): { work: string; peer: string; metric: string } {
  const [work = '', peer = '', metric = ''] = name.split('/')
  return { work, peer, metric }
}
