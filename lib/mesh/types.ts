import type {
  DirectResponse,
  HookFields,
  RequestHeaderModifier,
  RequestRedirect,
  ResponseHeaderModifier,
  URLRewrite,
} from './schema/filters.js'
import type { AccessLog } from './schema/access-log.js'
import type { Flows } from './schema/flows.js'
import type { ListenerFields } from './schema/listeners.js'
import type { PolicyFields } from './schema/policies.js'
import type { Port } from './schema/ports.js'
import type { BackendFields, RouteFields, RuleFields } from './schema/routes.js'
import type { EndpointFields, ForwardFields, ServiceFields, WorkloadFields } from './schema/services.js'

/** One value, or a list of them. */
export type List<T> = T | readonly T[]

/** One side of a flow, as a policy selects it: a workload, labels that it must have, its identity, or addresses. */
export type Peer<W extends string = string> =
  | { workload: W }
  | { labels: Record<string, string> }
  | { identity: string }
  | { cidr: List<string>; except?: readonly string[] }

/** One that answers for a service: a workload of the mesh, or an address. */
export type Endpoint<W extends string = string> = (
  { workload: W; address?: never } | { address: string; workload?: never }
) &
  EndpointFields

/** Where requests go: a service of the mesh, a handler that `start` is given, or whom the client has addressed. */
export type Backend<S extends string = string, H extends string = string> = (
  | { service: S; handler?: never; originalDestination?: never }
  | { handler: H; service?: never; originalDestination?: never }
  | { originalDestination: boolean; service?: never; handler?: never }
) &
  BackendFields

/** What is done to a request on its way, and to its response. */
export type Filter<K extends string = string> =
  | (HookFields & { hook: K })
  | RequestHeaderModifier
  | ResponseHeaderModifier
  | RequestRedirect
  | URLRewrite
  | DirectResponse

/** Requests and where they go, as a rule of the Gateway API's HTTPRoute. */
export type Rule<S extends string = string, H extends string = string, K extends string = string> = RuleFields & {
  filters?: readonly Filter<K>[]
  backendRefs?: readonly Backend<S, H>[]
}

/** An L3 route: packets to `to` leave by the port `on`, to the neighbour `via` or to their destination itself. */
export type Forward<P extends string = string> = ForwardFields & { on: P }

/** Something behind a port; `'host'` is the node itself. */
export type Workload<P extends string = string> = WorkloadFields & { on: P | 'host' }

/** A virtual address and the endpoints behind it. */
export type Service<W extends string = string> = ServiceFields & { endpoints: readonly Endpoint<W>[] }

/** Connections that flatproxy terminates. */
export type Listener<P extends string = string> = ListenerFields & { on?: P }

/** Requests by host name, path, method, headers and query, as HTTPRoute of the Gateway API. */
export type Route<
  S extends string = string,
  L extends string = string,
  H extends string = string,
  K extends string = string,
> = RouteFields & { listeners?: readonly L[]; rules: readonly Rule<S, H, K>[] }

/** Which flows may pass. */
export type Policy<W extends string = string, P extends string = string> = PolicyFields & {
  to?: List<Peer<W>>
  from?: List<Peer<W>>
  on?: List<P | 'host'>
  mirror?: { port: P }
}

/**
 * What a mesh looks like, over its names: of ports, workloads, services, listeners, handlers and hooks. The rest comes
 * from the schema; a test of types proves that the two agree.
 */
export interface Shape<
  P extends string,
  W extends string,
  S extends string,
  L extends string,
  H extends string,
  K extends string,
> {
  /** Where packets come from and go to, by name. */
  readonly ports: { readonly [_ in P]: Port }
  /** L3 routes: longest prefix first. */
  readonly forward?: readonly Forward<NoInfer<P>>[]
  /** What is behind the ports, by name. */
  readonly workloads?: { readonly [_ in W]: Workload<NoInfer<P>> }
  /** Virtual addresses and their endpoints, by name. */
  readonly services?: { readonly [_ in S]: Service<NoInfer<W>> }
  /** Connections that flatproxy terminates, by name. */
  readonly listeners?: { readonly [_ in L]: Listener<NoInfer<P>> }
  /** Requests by host name, path, method, headers and query. */
  readonly routes?: readonly Route<NoInfer<S>, NoInfer<L>, H, K>[]
  /** Which flows may pass. */
  readonly policies?: readonly Policy<NoInfer<W>, NoInfer<P>>[]
  /** What becomes of flows that no policy allows or denies. Default: 'allow'. */
  readonly policyDefault?: 'allow' | 'deny'
  /**
   * What becomes of flows and connections that run when policies come that deny them. 'cut': they end; 'keep': only new
   * ones are denied. Default: 'cut'.
   */
  readonly onDeny?: 'cut' | 'keep'
  /** A line for each exchange of the listeners of protocol http. */
  readonly accessLog?: AccessLog
  /** How flows are tracked. */
  readonly flows?: Flows
}

declare const names: unique symbol

/**
 * A mesh: plain JSON data that names services (`S`), handlers (`H`) and hooks (`K`). {@link defineMesh} infers the
 * names; a mesh from a file has wide ones.
 */
export interface Mesh<S extends string = string, H extends string = string, K extends string = string> extends Shape<
  string,
  string,
  string,
  string,
  string,
  string
> {
  /** Carries the names; there is no such key at run time. */
  readonly [names]?: [S, H, K]
}

/**
 * Types a mesh. Every name is inferred, and a name that nothing has does not compile.
 *
 * @returns the mesh as it was given; it is checked when it is used, or by `checkMesh`
 */
export function defineMesh<
  const P extends string,
  const W extends string = never,
  const S extends string = never,
  const L extends string = never,
  const H extends string = never,
  const K extends string = never,
>(mesh: Shape<P, W, S, L, H, K>): Mesh<S, H, K> {
  return mesh
}
