import type { ExchangeStats, Stats } from '../api.js'
import type { Paint } from './paint.js'
import { bytes, count, milliseconds, percent, table, type Column } from './table.js'

/**
 * Counters as tables, for a terminal. Reasons that no packet had are left out.
 *
 * @param before earlier counters: rates since then are shown too
 */
export function statsLines(now: Stats, before: Stats | undefined, paint: Paint): string[] {
  const sections = [
    ports(now, before),
    services(now, before),
    listeners(now, before),
    routes(now, before),
    endpoints(now, before),
    roce(now, before),
    policies(now, before),
    reasons(now, before),
    lanes(now),
  ]
  const head = `generation ${now.generation}${now.lostEvents > 0 ? `, ${count(now.lostEvents)} events lost` : ''}`
  return [
    paint.dim(head),
    ...sections.flatMap(([first, ...rest]) => (rest.length > 0 ? ['', paint.bold(first!), ...rest] : [])),
  ]
}

type Row<T> = readonly [name: string, now: T, before: T | undefined]

function rowsOf<T>(now: Readonly<Record<string, T>>, before: Readonly<Record<string, T>> | undefined): Row<T>[] {
  return Object.entries(now).map(([name, value]) => [name, value, before?.[name]])
}

/** A counter, and its rate when earlier counters are there. */
function counter<T>(
  head: string,
  value: (of: T) => number,
  seconds: number | undefined,
  text = count,
): Column<Row<T>>[] {
  const total: Column<Row<T>> = { head, right: true, cell: ([, now]) => text(value(now)) }
  if (seconds === undefined) return [total]
  const rate = ([, now, before]: Row<T>) => (value(now) - (before === undefined ? 0 : value(before))) / seconds
  return [total, { head: '/s', right: true, cell: (row) => text(Math.round(rate(row))) }]
}

function elapsed(now: Stats, before: Stats | undefined): number | undefined {
  return before === undefined ? undefined : Math.max((now.at - before.at) / 1000, 0.001)
}

function ports(now: Stats, before: Stats | undefined): string[] {
  const seconds = elapsed(now, before)
  return table(rowsOf(now.ports, before?.ports), [
    { head: 'PORT', cell: ([name]) => name },
    ...counter<Stats['ports'][string]>('RECEIVED', (port) => port.receivedPackets, seconds),
    ...counter<Stats['ports'][string]>('SENT', (port) => port.sentPackets, seconds),
    { head: 'SPOOFED', right: true, cell: ([, { spoofedPackets }]) => count(spoofedPackets) },
  ])
}

function services(now: Stats, before: Stats | undefined): string[] {
  const seconds = elapsed(now, before)
  return table(rowsOf(now.services, before?.services), [
    { head: 'SERVICE', cell: ([name]) => name },
    { head: 'ACTIVE FLOWS', right: true, cell: ([, { activeFlows }]) => count(activeFlows) },
    ...counter<Stats['services'][string]>('NEW FLOWS', (service) => service.newFlows, seconds),
    ...counter<Stats['services'][string]>('PACKETS', (service) => service.packets, seconds),
    ...counter<Stats['services'][string]>('BYTES', (service) => service.bytes, seconds, bytes),
  ])
}

function listeners(now: Stats, before: Stats | undefined): string[] {
  type Listener = Stats['listeners'][string]
  const seconds = elapsed(now, before)
  const failed = (listener: Listener) => listener.newConnections - listener.relayed
  return table(rowsOf(now.listeners, before?.listeners), [
    { head: 'LISTENER', cell: ([name]) => name },
    { head: 'ACTIVE', right: true, cell: ([, { activeConnections }]) => count(activeConnections) },
    ...counter<Listener>('CONNECTIONS', (listener) => listener.newConnections, seconds),
    { head: 'NOT RELAYED', right: true, cell: ([, listener]) => count(failed(listener)) },
    ...counter<Listener>('UP', (listener) => listener.bytesUp, seconds, bytes),
    ...counter<Listener>('DOWN', (listener) => listener.bytesDown, seconds, bytes),
  ])
}

function routes(now: Stats, before: Stats | undefined): string[] {
  return exchanges('ROUTE', now.routes, before?.routes, elapsed(now, before))
}

function endpoints(now: Stats, before: Stats | undefined): string[] {
  const flat = ({ endpoints }: Stats) =>
    Object.fromEntries(
      Object.entries(endpoints).flatMap(([service, each]) =>
        Object.entries(each).map(([endpoint, counters]) => [`${service} ${endpoint}`, counters]),
      ),
    )
  return exchanges('ENDPOINT', flat(now), before && flat(before), elapsed(now, before))
}

function exchanges(
  head: string,
  now: Record<string, ExchangeStats>,
  before: Record<string, ExchangeStats> | undefined,
  seconds: number | undefined,
): string[] {
  const latency = (name: string, value: (of: ExchangeStats['latency']) => number): Column<Row<ExchangeStats>> => ({
    head: name,
    right: true,
    cell: ([, { latency }]) => (latency.count === 0 ? '-' : milliseconds(value(latency))),
  })
  return table(
    rowsOf(now, before).filter(([, { requests }]) => requests > 0),
    [
      { head, cell: ([name]) => name },
      { head: 'ACTIVE', right: true, cell: ([, { active }]) => count(active) },
      ...counter<ExchangeStats>('REQUESTS', ({ requests }) => requests, seconds),
      { head: '5XX', right: true, cell: ([, { statuses }]) => count(statuses['5xx']) },
      { head: 'RETRIES', right: true, cell: ([, { retries }]) => count(retries) },
      latency('P50', ({ p50 }) => p50),
      latency('P99', ({ p99 }) => p99),
      latency('P99.9', ({ p999 }) => p999),
    ],
  )
}

function roce(now: Stats, before: Stats | undefined): string[] {
  type Counts = Stats['roce']['classes'][keyof Stats['roce']['classes']]
  const seconds = elapsed(now, before)
  const seen = rowsOf<Counts>(now.roce.classes, before?.roce.classes).filter(([, { packets }]) => packets > 0)
  const lines = table(seen, [
    { head: 'ROCE', cell: ([name]) => name },
    ...counter<Counts>('PACKETS', ({ packets }) => packets, seconds),
    ...counter<Counts>('BYTES', (counts) => counts.bytes, seconds, bytes),
  ])
  const { flows, retransmitted, naks } = now.roce
  return seen.length === 0
    ? lines
    : [...lines, `${count(flows)} flows, ${count(retransmitted)} packets retransmitted, ${count(naks)} NAKs`]
}

function policies(now: Stats, before: Stats | undefined): string[] {
  type Policy = Stats['policies'][string]
  return table(rowsOf(now.policies, before?.policies), [
    { head: 'POLICY', cell: ([name]) => name },
    ...counter<Policy>('FLOWS', ({ flows }) => flows, elapsed(now, before)),
    { head: 'UNTOLD', right: true, cell: ([, { untold }]) => count(untold) },
    ...counter<Policy>('LIMITED', ({ limitedPackets }) => limitedPackets, elapsed(now, before)),
    ...counter<Policy>('MIRRORED', ({ mirroredPackets }) => mirroredPackets, elapsed(now, before)),
    { head: 'LOST', right: true, cell: ([, { mirrorLost }]) => count(mirrorLost) },
  ])
}

function reasons(now: Stats, before: Stats | undefined): string[] {
  const seconds = elapsed(now, before)
  const seen = rowsOf<{ packets: number; bytes: number }>(now.reasons, before?.reasons).filter(
    ([, { packets }]) => packets > 0,
  )
  return table(
    seen.sort(([, a], [, b]) => b.packets - a.packets),
    [
      { head: 'REASON', cell: ([name]) => name },
      ...counter<{ packets: number }>('PACKETS', ({ packets }) => packets, seconds),
      { head: 'BYTES', right: true, cell: ([, now]) => bytes(now.bytes) },
    ],
  )
}

function lanes(now: Stats): string[] {
  const rows = now.lanes.map((lane, index) => ({ ...lane, index }))
  return table(rows, [
    { head: 'LANE', cell: ({ index }) => String(index) },
    { head: 'CORE', right: true, cell: ({ core }) => (core < 0 ? '-' : String(core)) },
    { head: 'BUSY', right: true, cell: ({ busy }) => percent(busy) },
    { head: 'FLOWS', right: true, cell: ({ flows }) => count(flows) },
    { head: 'OF', right: true, cell: ({ flowCapacity }) => count(flowCapacity) },
    { head: 'BUFFERS', right: true, cell: ({ buffersInUse }) => count(buffersInUse) },
  ])
}
