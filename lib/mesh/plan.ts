import { FlatProxyError, MeshError } from '../errors.js'
import { sharedResolver } from './check.js'
import { diffSteps, type Change } from './diff.js'
import { NamedIds } from './ids.js'
import { limits } from './limits.js'
import { httpRouteNames, writeHttpRoutes } from './plan-http.js'
import { plannedListeners, planListeners } from './plan-listeners.js'
import { endsTls } from './rules/sharing.js'
import { countedPolicies, writePolicies } from './plan-policies.js'
import { planPorts, planRoutes, planWorkloads, usesHost } from './plan-network.js'
import { ServicePlanner, type PlannedService } from './plan-services.js'
import { accessLog as accessLogSchema } from './schema/access-log.js'
import { flows as flowsSchema } from './schema/flows.js'
import type { WideMesh } from './schema/mesh.js'
import { settle } from './settle.js'
import { runSliced, type SliceOptions, type Steps } from './steps.js'
import { PlanText } from './plan-text.js'
import type { Mesh } from './types.js'

/** A mesh as the engine takes it. */
export interface Planned {
  /** The generation that this plan makes. */
  readonly generation: number
  /** The generation that unchanged parts are taken from; `null`: the plan is whole. */
  readonly base: number | null
  /** The plan, JSON in UTF-8, in pieces to be joined. */
  readonly chunks: readonly Uint8Array[]
  /** What the plan changes. */
  readonly changes: readonly Change[]
}

/** The names of a mesh by which the engine's ids are told. */
export interface MeshIds {
  readonly generation: number
  readonly mesh: Mesh | undefined
  readonly portIds: ReadonlyMap<string, number>
  readonly listenerIds: ReadonlyMap<string, number>
  readonly services: ReadonlyMap<string, PlannedService>
  /** The policies of a generation (modulo 2^32), if they are known. */
  policiesOf(generation: number): Mesh['policies']
}

/** What is in force, or would be. */
interface State {
  readonly generation: number
  readonly mesh: Mesh | undefined
  /** Whether the node's own stack is a port. */
  readonly host: boolean
  readonly services: ReadonlyMap<string, PlannedService>
}

/**
 * Turns checked meshes into plans for the engine: everything resolved, ids instead of names, and only what changed since
 * the last plan that was committed.
 *
 * `{ generation, base, ports, flows, routes, workloads, services: { set, removed }, listeners, httpRoutes, policies,
 * accessLog }`: `ports`, `flows` and `accessLog` (`{ file, format, sample }`, or `null`: there is none) always whole;
 * `routes`, `workloads`, `listeners`, `httpRoutes` and `policies` whole, or `null` when they are unchanged; of `services`
 * those that are new or different, and the ids of those that are gone. Durations are in milliseconds, defaults filled in.
 * The plan's parts are described where they are made: plan-network.ts, plan-services.ts, plan-listeners.ts,
 * plan-http.ts, plan-policies.ts.
 */
export class Planner implements MeshIds {
  private state: State = { generation: 0, mesh: undefined, host: false, services: new Map() }
  private pending: State | undefined
  private previous: { readonly generation: number; readonly policies: Mesh['policies'] } | undefined
  private busy = false
  private readonly namedPorts = new NamedIds(limits.ports)
  private readonly namedWorkloads = new NamedIds(limits.workloads)
  private readonly namedListeners = new NamedIds(limits.listeners)
  private readonly namedRoutes = new NamedIds(limits.routes)
  private readonly namedPolicies = new NamedIds(limits.policies)
  private readonly servicePlanner = new ServicePlanner(sharedResolver)
  private readonly idSources = [
    this.namedPorts,
    this.namedWorkloads,
    this.namedListeners,
    this.namedRoutes,
    this.namedPolicies,
    this.servicePlanner,
  ]

  /** The generation that is committed; 0: none yet. */
  get generation(): number {
    return this.state.generation
  }

  /** The mesh that is committed. */
  get mesh(): Mesh | undefined {
    return this.state.mesh
  }

  /**
   * The policies of what is committed, of what was before, or of what is planned: lanes may be ahead, or have spoken earlier.
   *
   * @param generation modulo 2^32
   */
  policiesOf(generation: number): Mesh['policies'] {
    const is = (state: Pick<State, 'generation'> | undefined) => state && state.generation >>> 0 === generation
    if (is(this.state)) return this.state.mesh?.policies
    if (is(this.pending)) return this.pending?.mesh?.policies
    return is(this.previous) ? this.previous?.policies : undefined
  }

  /** The ids of the ports that are committed. */
  get portIds(): ReadonlyMap<string, number> {
    return this.namedPorts.current
  }

  /** The ids of the listeners that are committed. */
  get listenerIds(): ReadonlyMap<string, number> {
    return this.namedListeners.current
  }

  /** The ids of the routes of requests that are committed. */
  get routeIds(): ReadonlyMap<string, number> {
    return this.namedRoutes.current
  }

  /** The ids of the counters of policies that neither allow nor deny, of those that are committed. */
  get policyIds(): ReadonlyMap<string, number> {
    return this.namedPolicies.current
  }

  /** The services that are committed, with their ids and those of their endpoints. */
  get services(): ReadonlyMap<string, PlannedService> {
    return this.state.services
  }

  /**
   * Plans a mesh, in slices between which the event loop turns. Then {@link commit} or {@link abandon} it, before the next.
   *
   * @param mesh checked, without problems, and immutable (`adoptMesh`, `mergePatch`)
   * @throws {@link MeshError} when ids run out: a mesh within the limits, but not beside the one that it replaces
   */
  async plan(mesh: Mesh, options?: SliceOptions): Promise<Planned> {
    if (this.busy) throw new FlatProxyError('ERR_FLATPROXY_INTERNAL', 'a plan is neither committed nor abandoned')
    this.busy = true
    try {
      return await runSliced(this.steps(mesh), options)
    } catch (error) {
      this.abandon()
      throw error
    }
  }

  /**
   * Plans a mesh that is not to come in force: how it would be beside the one that is committed, which stays as it is.
   *
   * @throws as {@link plan}
   */
  async draft(mesh: Mesh, options?: SliceOptions): Promise<readonly [Planned, MeshIds]> {
    const plan = await this.plan(mesh, options)
    const ids = {
      generation: plan.generation,
      mesh,
      portIds: this.namedPorts.planned,
      listenerIds: this.namedListeners.planned,
      services: this.pending!.services,
      policiesOf: () => mesh.policies,
    }
    this.abandon()
    return [plan, ids]
  }

  /** The last plan is in force. */
  commit(): void {
    if (!this.pending) throw new FlatProxyError('ERR_FLATPROXY_INTERNAL', 'there is no plan to commit')
    this.previous = { generation: this.state.generation, policies: this.state.mesh?.policies }
    this.state = this.pending
    for (const ids of this.idSources) ids.commit()
    this.pending = undefined
    this.busy = false
  }

  /** The last plan was refused: nothing of it counts. */
  abandon(): void {
    for (const ids of this.idSources) ids.abandon()
    this.pending = undefined
    this.busy = false
  }

  private *steps(narrow: Mesh): Steps<Planned> {
    const mesh = narrow as unknown as WideMesh
    const before = this.state.mesh as unknown as WideMesh | undefined
    const same = (...parts: (keyof WideMesh)[]) =>
      before !== undefined && parts.every((part) => mesh[part] === before[part])

    const generation = this.state.generation + 1
    const base = before ? this.state.generation : null
    const changes = yield* diffSteps(this.state.mesh, narrow)
    const host = same('workloads', 'policies') ? this.state.host : usesHost(mesh)
    const ports = this.namedPorts.assign([...Object.keys(mesh.ports), ...(host ? ['host'] : [])])
    if (!ports) throw idsExhausted('ports')

    const text = new PlanText()
    text.add(`{"generation":${generation},"base":${base},"ports":${JSON.stringify(planPorts(mesh, ports))}`)
    text.add(`,"flows":${JSON.stringify(settle(flowsSchema, mesh.flows ?? {}))}`)
    text.add(',"routes":')
    if (same('ports', 'forward', 'workloads')) text.add('null')
    else yield* text.list(planRoutes(mesh, ports))
    text.add(',"workloads":')
    let workloads: ReadonlyMap<string, number> | undefined = this.namedWorkloads.current
    if (same('ports', 'workloads')) text.add('null')
    else {
      workloads = this.namedWorkloads.assign(Object.keys(mesh.workloads ?? {}))
      if (!workloads) throw idsExhausted('workloads')
      yield* text.list(planWorkloads(mesh, ports, workloads))
    }
    text.add(',"services":')
    const services = yield* this.servicePlanner.plan(mesh, before, this.state.services, text)
    if (!services) throw idsExhausted('services')
    text.add(',"listeners":')
    let listeners: ReadonlyMap<string, number> | undefined = this.listenerIds
    // Certificates are read anew, whatever else is the same.
    if (same('ports', 'listeners', 'routes') && !hasTls(mesh)) text.add('null')
    else {
      listeners = this.namedListeners.assign(plannedListeners(mesh))
      if (!listeners) throw idsExhausted('listeners')
      yield* text.list(planListeners(mesh, ports, listeners, services))
    }
    text.add(',"httpRoutes":')
    if (same('listeners', 'routes')) text.add('null')
    else {
      const routes = this.namedRoutes.assign(httpRouteNames(mesh))
      if (!routes) throw idsExhausted('routes')
      yield* writeHttpRoutes(mesh, { routes, listeners, services }, text)
    }
    text.add(',"policies":')
    if (same('ports', 'workloads', 'policies', 'policyDefault', 'onDeny')) text.add('null')
    else {
      const policies = this.namedPolicies.assign(countedPolicies(mesh))
      if (!policies) throw idsExhausted('policies')
      yield* writePolicies(mesh, { ports, workloads, policies }, text)
    }
    text.add(`,"accessLog":${JSON.stringify(mesh.accessLog ? settle(accessLogSchema, mesh.accessLog) : null)}}`)
    this.pending = { generation, mesh: narrow, host, services }
    return { generation, base, chunks: text.finish(), changes }
  }
}

function hasTls({ listeners = {} }: WideMesh): boolean {
  return Object.values(listeners).some(endsTls)
}

function idsExhausted(section: 'ports' | 'workloads' | 'services' | 'listeners' | 'routes' | 'policies'): MeshError {
  const message = 'too many new ones at once: beside those that they replace they are beyond the limit'
  return new MeshError([
    { path: [section], message, expected: 'fewer changes at once', hint: 'apply the change in two steps' },
  ])
}
