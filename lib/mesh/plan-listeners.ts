import { formatPrefix, parsePrefix } from './address.js'
import { planHttpSettings } from './plan-http.js'
import type { PlannedService } from './plan-services.js'
import { canonical } from './resolve.js'
import { endsTls, isHost, leadersOf, takesRequests } from './rules/sharing.js'
import { isTcpRoute } from './rules/tcp-routes.js'
import type { WideMesh } from './schema/mesh.js'
import { rule as ruleSchema } from './schema/routes.js'
import { settle } from './settle.js'
import { listOf } from './view.js'

type Ids = ReadonlyMap<string, number>
type Rule = NonNullable<WideMesh['routes']>[number]['rules'][number]

/**
 * A listener of a plan: one of the mesh, or the first one of several that share addresses and port. It keeps its id while
 * its name lives. Times are in milliseconds; a limit of 0 is none.
 */
export interface PlannedListener {
  readonly id: number
  readonly name: string
  readonly addresses: readonly string[]
  /** Prefixes of what it intercepts, if it does. */
  readonly within?: readonly string[]
  readonly port: number
  /** The id of the port that its clients are behind; `null`: any. */
  readonly on: number | null
  /** Of what is in its bytes, over TLS or not. */
  readonly protocol: 'tcp' | 'http'
  /** Ids of services (`null`: whom the client has addressed) with their weights; none: every connection is reset. Of tcp. */
  readonly backends: readonly { readonly service: number | null; readonly weight: number }[]
  readonly relay: {
    readonly connectTimeout: number
    readonly idleTimeout: number
    readonly maxConnections: number
    readonly maxConnectionsPerClient: number
  }
  /** Whose PROXY headers are believed; `null`: there are none. */
  readonly trusted: readonly string[] | null
  /** What `planHttpSettings` gives; `null`: of protocol tcp. */
  readonly http: object | null
  /** Absent: in the clear. */
  readonly tls?: PlannedTls
}

interface PlannedTls {
  readonly certificates: readonly { readonly certificate: string; readonly key: string }[]
  readonly minVersion: '1.2' | '1.3'
}

/** The names of the listeners that a plan has: all, but of those that share addresses and port only the first. */
export function plannedListeners(mesh: WideMesh): string[] {
  return [...new Set(leadersOf(mesh.listeners).values())]
}

/** The listeners, and the routes of whole connections that lead from them. */
export function* planListeners(
  mesh: WideMesh,
  ports: Ids,
  ids: Ids,
  services: ReadonlyMap<string, PlannedService>,
): Generator<PlannedListener> {
  const rules = tcpRules(mesh)
  for (const name of ids.keys()) {
    const listener = mesh.listeners![name]!
    const { backendRefs = [], timeouts } = rules.get(name) ?? {}
    const { connect, idle } = (settle(ruleSchema, { timeouts: timeouts ?? {} }) as SettledRule).timeouts
    const within = listOf(listener.address).flatMap((text) => (isHost(text) ? [] : [formatPrefix(parsePrefix(text)!)]))
    yield {
      id: ids.get(name)!,
      name,
      addresses: listOf(listener.address).filter(isHost).map(canonical),
      ...(within.length > 0 && { within }),
      port: listener.port,
      on: listener.on === undefined ? null : ports.get(listener.on)!,
      protocol: takesRequests(listener) ? 'http' : 'tcp',
      backends: backendRefs.map((backend) => ({
        service: 'service' in backend ? services.get(backend.service)!.id : null,
        weight: backend.weight ?? 1,
      })),
      relay: {
        connectTimeout: connect,
        idleTimeout: idle,
        maxConnections: listener.maxConnections ?? 0,
        maxConnectionsPerClient: listener.maxConnectionsPerClient ?? 0,
      },
      trusted: listener.proxyProtocol?.trusted.map((text) => formatPrefix(parsePrefix(text)!)) ?? null,
      http: takesRequests(listener) ? planHttpSettings(listener.http) : null,
      ...(endsTls(listener) && { tls: planTls(mesh, name) }),
    }
  }
}

/** With the certificates of those that it shares its addresses with: which one it is for, the client's name for it says. */
function planTls(mesh: WideMesh, leader: string): PlannedTls {
  const sharers = [...leadersOf(mesh.listeners)].filter(([, its]) => its === leader).map(([name]) => name)
  return {
    certificates: sharers.flatMap((name) => mesh.listeners![name]!.tls!.certificates),
    minVersion: mesh.listeners![leader]!.tls!.minVersion ?? '1.2',
  }
}

interface SettledRule {
  readonly timeouts: { readonly connect: number; readonly idle: number }
}

/** By listener, the one rule of its route. */
function tcpRules({ routes = [], listeners }: WideMesh): Map<string, Rule> {
  const rules = new Map<string, Rule>()
  for (const route of routes)
    if (isTcpRoute(route, listeners)) for (const name of route.listeners!) rules.set(name, route.rules[0]!)
  return rules
}
