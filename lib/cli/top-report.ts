import type { Flow, Reason, Stats } from '../api.js'

/** What a proxy showed at one time. */
export interface Sample {
  readonly stats: Stats
  readonly flows: readonly Flow[]
}

/** Amounts of one second. */
export interface Rate {
  packets: number
  bits: number
}

/** What a proxy did between two samples; all amounts are of one second. */
export interface TopReport {
  /** Milliseconds since 1970. */
  at: number
  /** Between the samples. */
  seconds: number
  generation: number
  /** Packets that came. */
  received: Rate
  /** New flows of services, and new connections to listeners. */
  newFlows: number
  newConnections: number
  /** In the tables now, and the share of the time that lanes worked, 0 to 1. */
  flows: number
  busy: number
  /** What was not let through, the most frequent first. */
  refused: ({ reason: Reason } & Rate)[]
  /** Those with the most bits, each with what is known of it. */
  top: (Flow & { rate: Rate })[]
}

type Verdicts = ReadonlyMap<string, string>

/** @param verdicts by the name of a reason  @param limit of flows */
export function topReport(now: Sample, before: Sample, verdicts: Verdicts, limit: number): TopReport {
  const seconds = Math.max((now.stats.at - before.stats.at) / 1000, 0.001)
  const per = (after: number, earlier = 0) => Math.max(after - earlier, 0) / seconds
  const rateOf = (after: Counts, earlier: Counts = { packets: 0, bytes: 0 }): Rate => ({
    packets: per(after.packets, earlier.packets),
    bits: 8 * per(after.bytes, earlier.bytes),
  })
  const reasons = Object.entries(now.stats.reasons).map(([reason, counts]) => ({
    reason,
    ...rateOf(counts, before.stats.reasons[reason]),
  }))
  const came = reasons.filter(({ reason }) => reason !== 'originated')
  const known = new Map(before.flows.map((flow) => [keyOf(flow), flow]))
  return {
    at: now.stats.at,
    seconds,
    generation: now.stats.generation,
    received: { packets: sum(came, ({ packets }) => packets), bits: sum(came, ({ bits }) => bits) },
    newFlows: per(newFlows(now.stats), newFlows(before.stats)),
    newConnections: per(newConnections(now.stats), newConnections(before.stats)),
    flows: sum(now.stats.lanes, ({ flows }) => flows),
    busy: sum(now.stats.lanes, ({ busy }) => busy) / Math.max(now.stats.lanes.length, 1),
    refused: reasons
      .filter(({ reason, packets }) => packets > 0 && ['drop', 'reject'].includes(verdicts.get(reason) ?? ''))
      .sort((a, b) => b.packets - a.packets),
    top: now.flows
      .map((flow) => ({ ...flow, rate: rateOf(flow, earlierOf(flow, known.get(keyOf(flow)))) }))
      .sort((a, b) => b.rate.bits - a.rate.bits || b.bytes - a.bytes)
      .slice(0, limit),
  }
}

interface Counts {
  readonly packets: number
  readonly bytes: number
}

const keyOf = ({ protocol, from, to, qp, vlan }: Flow) => `${protocol} ${from} ${to} ${qp ?? ''} ${vlan ?? ''}`
/** A flow with the addresses of one that has ended is another one; when it opened is known to some milliseconds. */
const earlierOf = (flow: Flow, earlier: Flow | undefined) =>
  earlier && Math.abs(flow.openedAt - earlier.openedAt) < 500 ? earlier : undefined
const newFlows = ({ services }: Stats) => sum(Object.values(services), ({ newFlows }) => newFlows)
const newConnections = ({ listeners }: Stats) => sum(Object.values(listeners), ({ newConnections }) => newConnections)

function sum<T>(list: readonly T[], value: (of: T) => number): number {
  return list.reduce((total, each) => total + value(each), 0)
}
