import { parseDuration } from './duration.js'
import { object } from './kit.js'
import { IdPool } from './ids.js'
import { limits } from './limits.js'
import type { PlanText } from './plan-text.js'
import { canonical, type Resolved, type Resolver, type Target, type WideService } from './resolve.js'
import type { WideMesh } from './schema/mesh.js'
import {
  endpointFields,
  healthCheck as healthCheckSchema,
  pool as poolSchema,
  serviceFields,
} from './schema/services.js'
import { settle } from './settle.js'
import type { Steps } from './steps.js'
import { own } from './tree.js'
import { listOf } from './view.js'

/**
 * A service of a plan: `{ id, name, protocol, addresses, port, balance, affinity: 'none' | 'source', healthCheck: {...}
 * | null, maxConnections (0: no limit), proxyProtocol: 'none' | 'v1' | 'v2', http: { maxPending, idleTimeout, maxRequests
 * (0: no limit), eject: { failures, for }, affinityCookie: { name, ttl (seconds; 0: the client's session) } | null, hash: { by:
 * 'header' | 'cookie', name } | null }, source?: 'client', endpoints: [{ id, address, port, weight, drain, name }] }`. It keeps its id while its name lives; an endpoint keeps its id while (service, address, port) lives.
 */
export interface PlannedService {
  readonly id: number
  readonly source: WideService
  readonly resolved: Resolved
  /** In the order of the resolved targets. */
  readonly entries: readonly Entry[]
  /** The entries in blocks as they were written, when they are many. */
  readonly blocks: readonly Uint8Array[]
}

/** What a target comes to in the plan: an endpoint for each of its addresses. */
export interface Entry {
  readonly target: Target
  readonly ids: readonly number[]
  /** Its JSON, without brackets. Kept, since a service is written whole when one of its many endpoints changes. */
  readonly text: string
}

type Services = ReadonlyMap<string, PlannedService>
const endpointDefaults = settle(object(endpointFields), {}) as { weight: number; drain: boolean }
const always = () => true

/** Plans services, and remembers their ids. */
export class ServicePlanner {
  private readonly serviceIds = new IdPool(limits.services)
  private readonly endpointIds = new IdPool(limits.endpoints)

  constructor(private readonly resolver: Resolver) {}

  commit(): void {
    this.serviceIds.commit()
    this.endpointIds.commit()
  }

  abandon(): void {
    this.serviceIds.abandon()
    this.endpointIds.abandon()
  }

  /** Writes `{ set, removed }`; gives all services as they then are, or `undefined` when ids run out. */
  *plan(mesh: WideMesh, before: WideMesh | undefined, old: Services, text: PlanText): Steps<Services | undefined> {
    const services = new Map<string, PlannedService>()
    let separator = '{"set":['
    for (const [name, service] of Object.entries(mesh.services ?? {})) {
      const prior = old.get(name)
      const sameWorkloads = before !== undefined && mesh.workloads === before.workloads
      let planned: PlannedService | undefined = prior
      if (prior?.source !== service || !sameWorkloads) planned = yield* this.service(mesh, before, name, service, prior)
      if (!planned) return undefined
      services.set(name, planned)
      if (planned === prior || (prior && sameText(planned, prior))) continue
      text.add(separator)
      separator = ','
      yield* write(name, planned, text)
      yield
    }
    text.add(separator === ',' ? '],"removed":[' : '{"set":[],"removed":[')
    separator = ''
    for (const [name, { id, entries }] of old) {
      if (services.has(name)) continue
      this.serviceIds.release(id)
      for (const entry of entries) this.release(entry)
      text.add(`${separator}${id}`)
      separator = ','
      yield
    }
    text.add(']}')
    return services
  }

  /** Plans one service; the prior one when nothing of it changed. */
  private *service(
    mesh: WideMesh,
    before: WideMesh | undefined,
    name: string,
    source: WideService,
    prior: PlannedService | undefined,
  ): Steps<PlannedService | undefined> {
    const resolved = yield* this.resolver.resolve(source, mesh.workloads, own(before?.services, name), always)
    const entries = yield* this.entries(resolved.targets, prior?.entries ?? [])
    if (!entries) return undefined
    if (prior?.source === source && entries === prior.entries) return prior
    const id = prior?.id ?? this.serviceIds.take()
    if (id === undefined) return undefined
    return { id, source, resolved, entries, blocks: yield* encodeBlocks(entries, prior) }
  }

  /** The entries of targets: those of before where a target is the same, new ones elsewhere; `undefined`: no ids left. */
  private *entries(targets: readonly Target[], before: readonly Entry[]): Steps<readonly Entry[] | undefined> {
    const shift = before.length - targets.length
    const kept = new Uint8Array(before.length)
    const entries: (Entry | undefined)[] = []
    for (const [index, target] of targets.entries()) {
      const at = before[index]?.target === target ? index : index + shift
      const same = before[at]?.target === target
      entries.push(same ? before[at] : undefined)
      if (same) kept[at] = 1
      if (index % 256 === 255) yield
    }
    const gone = before.filter((_, index) => kept[index] === 0)
    if (shift === 0 && gone.length === 0 && entries.every((entry, index) => entry === before[index])) return before
    const ids = new Map<string, number>()
    for (const { target, ids: theirs } of gone) for (const [key, id] of keysOf(target, theirs)) ids.set(key, id)
    for (const [index, target] of targets.entries()) {
      if (entries[index]) continue
      const entry = this.entry(target, ids)
      if (!entry) return undefined
      entries[index] = entry
      if (index % 64 === 63) yield
    }
    for (const id of ids.values()) this.endpointIds.release(id)
    return entries as Entry[]
  }

  /** A new entry; it takes over the ids of those that went with its address and port. */
  private entry(target: Target, gone: Map<string, number>): Entry | undefined {
    const ids: number[] = []
    for (const address of target.addresses) {
      const key = `${address} ${target.source.port}`
      const id = gone.get(key) ?? this.endpointIds.take()
      if (id === undefined) return undefined
      gone.delete(key)
      ids.push(id)
    }
    return { target, ids, text: endpointText(target, ids) }
  }

  private release({ ids }: Entry): void {
    for (const id of ids) this.endpointIds.release(id)
  }
}

function keysOf({ addresses, source }: Target, ids: readonly number[]): [string, number][] {
  return addresses.map((address, index) => [`${address} ${source.port}`, ids[index]!])
}

function endpointText({ source, addresses }: Target, ids: readonly number[]): string {
  const { port, weight = endpointDefaults.weight, drain = endpointDefaults.drain } = source
  const texts = addresses.map((address, index) => {
    const host = address.includes(':') ? `[${address}]` : address
    const name = JSON.stringify('workload' in source ? source.workload : `${host}:${port}`)
    return `{"id":${ids[index]},"address":"${address}","port":${port},"weight":${weight},"drain":${drain},"name":${name}}`
  })
  return texts.join(',')
}

/** Entries that are encoded together. A service of more keeps its blocks, so that one changed entry costs one block. */
const blockLength = 256
const encoder = new TextEncoder()

function* encodeBlocks(entries: readonly Entry[], prior: PlannedService | undefined): Steps<Uint8Array[]> {
  const blocks: Uint8Array[] = []
  if (entries.length <= blockLength) return blocks
  for (let from = 0; from < entries.length; from += blockLength) {
    const block = entries.slice(from, from + blockLength)
    const known = prior?.blocks[blocks.length]
    const old = prior?.entries.slice(from, from + blockLength)
    const same = known && old?.length === block.length && block.every((entry, index) => entry === old[index])
    blocks.push(same ? known : encoder.encode(join(block)))
    yield
  }
  return blocks
}

/** Whether the engine has a service as it is: only what it does not see has changed, such as a label of a workload. */
function sameText(a: PlannedService, b: PlannedService): boolean {
  const { entries } = b
  return a.source === b.source && a.entries.every(({ text }, index) => text === entries[index]!.text)
}

const join = (entries: readonly Entry[]) => entries.map(({ text }) => text).join(',')

const headSchema = object(serviceFields)

/** What requests to a service are asked of. */
function planPool({ http, hashOn, sessionAffinity }: WideService): object {
  const affinityCookie = sessionAffinity
    ? { name: sessionAffinity.cookie, ttl: Math.floor((parseDuration(sessionAffinity.ttl) ?? 0) / 1_000) }
    : null
  return { maxRequests: 0, ...(settle(poolSchema, http ?? {}) as object), affinityCookie, hash: planHash(hashOn) }
}

function planHash(hashOn: WideService['hashOn']): object | null {
  if (typeof hashOn !== 'object') return null
  return 'header' in hashOn
    ? { by: 'header', name: hashOn.header.toLowerCase() }
    : { by: 'cookie', name: hashOn.cookie }
}

function* write(name: string, { id, source: service, entries, blocks }: PlannedService, text: PlanText): Steps<void> {
  const head = settle(headSchema, { ...service, healthCheck: undefined }) as Record<string, unknown>
  const { protocol, port, balance, affinity = 'none', maxConnections = 0, proxyProtocol = 'none' } = head
  const addresses = listOf(service.address).map(canonical)
  const healthCheck = service.healthCheck === undefined ? null : settle(healthCheckSchema, service.healthCheck)
  const source = head.sourceAddress === 'client' && { source: 'client' }
  const rest = { balance, affinity, healthCheck, maxConnections, proxyProtocol, http: planPool(service), ...source }
  const fields = JSON.stringify({ id, name, protocol, addresses, port, ...rest })
  text.add(`${fields.slice(0, -1)},"endpoints":[`)
  for (const [index, block] of blocks.entries()) {
    if (index > 0) text.add(',')
    text.addEncoded(block)
    yield
  }
  if (blocks.length === 0) text.add(join(entries))
  text.add(']}')
}
