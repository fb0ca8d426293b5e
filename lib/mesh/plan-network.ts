import { formatAddress, formatPrefix, network, parseAddress, parsePrefix, scopeOf } from './address.js'
import { canonical, familyOf } from './resolve.js'
import type { WideMesh } from './schema/mesh.js'
import { port as portSchema, type Port } from './schema/ports.js'
import { settle } from './settle.js'
import { listOf } from './view.js'

type Ids = ReadonlyMap<string, number>

/** A port of a plan. Its id is stable while the port's name lives. */
export interface PlannedPort {
  readonly id: number
  readonly name: string
  /** Own addresses, canonical, with prefix lengths; `null` for an `iface` without `own`: those of its interface. */
  readonly own: readonly string[] | null
  /** The id of the port that it is joined with; absent: none. */
  readonly peer?: number
  /**
   * The port as in the mesh without `own` and `joined` (which may change while a port is open), defaults filled in,
   * durations in milliseconds; `{ type: 'host' }` for the node's own stack.
   */
  readonly config: unknown
}

/** Whether the node's own stack is a port of this mesh: a workload is on it, or a policy is about what comes from it. */
export function usesHost({ workloads = {}, policies = [] }: WideMesh): boolean {
  return (
    Object.values(workloads).some(({ on }) => on === 'host') || policies.some(({ on }) => listOf(on).includes('host'))
  )
}

/** All ports, `host` last. */
export function planPorts(mesh: WideMesh, ids: Ids): PlannedPort[] {
  const joined = joinedPorts(mesh)
  const ports: PlannedPort[] = Object.entries(mesh.ports).map(([name, port]) => {
    const device = deviceOf(port)
    const own = ownOf(port).map((text) => formatPrefix(parsePrefix(text)!))
    const peer = joined.get(name)
    const fromInterface = device.type === 'iface' && device.own === undefined && peer === undefined
    return {
      id: ids.get(name)!,
      name,
      own: fromInterface ? null : own,
      config: settle(portSchema, withoutPlace(port)),
      ...(peer !== undefined && { peer: ids.get(peer)! }),
    }
  })
  const host = ids.get('host')
  return host === undefined ? ports : [...ports, { id: host, name: 'host', own: [], config: { type: 'host' } }]
}

/** By name, the ports that are joined with another one, and with which. */
export function joinedPorts(mesh: Pick<WideMesh, 'ports'>): Map<string, string> {
  const joined = new Map<string, string>()
  for (const [name, { joined: other }] of Object.entries(mesh.ports))
    if (other !== undefined) joined.set(name, other).set(other, name)
  return joined
}

function withoutPlace(port: object): object {
  const entries = Object.entries(port).filter(([key]) => key !== 'own' && key !== 'joined') as [string, unknown][]
  return Object.fromEntries(entries.map(([key, value]) => [key, key === 'port' ? withoutPlace(value as Port) : value]))
}

/** An L3 route of a plan; `via` absent: the destination itself is the neighbour. Of two to one prefix the first counts. */
export interface PlannedRoute {
  readonly to: string
  readonly port: number
  readonly via?: string
}

/**
 * The routes to workloads, those of the mesh, and those that own addresses make, in this order. Nothing is routed to
 * workloads behind joined ports.
 */
export function* planRoutes(mesh: WideMesh, ids: Ids): Generator<PlannedRoute> {
  const joined = joinedPorts(mesh)
  for (const { on, addresses } of Object.values(mesh.workloads ?? {}))
    for (const address of joined.has(on) ? [] : addresses)
      yield { to: `${canonical(address)}/${familyOf(address) === 4 ? 32 : 128}`, port: ids.get(on)! }
  for (const { to, on, via } of mesh.forward ?? []) {
    const route = { to: formatPrefix(parsePrefix(to)!), port: ids.get(on)! }
    yield via === undefined ? route : { ...route, via: formatAddress(parseAddress(via)!) }
  }
  for (const [name, port] of Object.entries(mesh.ports)) {
    for (const text of ownOf(port)) {
      const own = parsePrefix(text)!
      // Link-local addresses mean another thing on every port; they are never routed (RFC 4291 section 2.5.6).
      const connected = own.length < own.bytes.length * 8 && scopeOf(own) !== 'link-local'
      if (connected) yield { to: formatPrefix(network(own)), port: ids.get(name)! }
    }
  }
}

/** A workload of a plan; `port` is a port's id. */
export interface PlannedWorkload {
  readonly id: number
  readonly name: string
  readonly port: number
  readonly addresses: readonly string[]
}

/** All workloads. */
export function* planWorkloads(mesh: WideMesh, ports: Ids, ids: Ids): Generator<PlannedWorkload> {
  for (const [name, { on, addresses }] of Object.entries(mesh.workloads ?? {}))
    yield { id: ids.get(name)!, name, port: ports.get(on)!, addresses: addresses.map(canonical) }
}

function ownOf(port: Port): readonly string[] {
  return deviceOf(port).own ?? []
}

/** The port itself, or the one that a fault port wraps. */
function deviceOf(port: Port): Exclude<Port, { type: 'fault' }> {
  return port.type === 'fault' ? port.port : port
}
