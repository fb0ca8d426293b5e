import { formatPrefix, parsePrefix } from './address.js'
import type { PlanText } from './plan-text.js'
import { leadersOf, takesRequests } from './rules/sharing.js'
import { isTcpRoute } from './rules/tcp-routes.js'
import { httpSettings } from './schema/listeners.js'
import type { WideMesh } from './schema/mesh.js'
import { rule as ruleSchema } from './schema/routes.js'
import { settle } from './settle.js'
import type { Steps } from './steps.js'

/** What routes name, by their names. */
export interface HttpIds {
  /** Of listeners; of several that share addresses and port only the first has one. */
  readonly listeners: ReadonlyMap<string, number>
  readonly services: ReadonlyMap<string, { readonly id: number }>
  readonly routes: ReadonlyMap<string, number>
}

type WideRoute = NonNullable<WideMesh['routes']>[number]
type WideRule = WideRoute['rules'][number]
type WideFilter = NonNullable<WideRule['filters']>[number]
type WideMatch = NonNullable<WideRule['matches']>[number]
/** A listener of the mesh as the engine has it: which of its own it is, and for which host name (`null`: any). */
interface Attachment {
  readonly id: number
  readonly hostname: string | null
}

/** The settings of a listener of protocol http, with nothing left open; `maxRequests` 0: no limit, `via` null: none. */
export function planHttpSettings(settings: unknown): object {
  const settled = settle(httpSettings, settings ?? {}) as { trustedForwarded: readonly string[] }
  const trustedForwarded = settled.trustedForwarded.map((text) => formatPrefix(parsePrefix(text)!))
  return { maxRequests: 0, via: null, ...settled, trustedForwarded }
}

/**
 * Writes the routes of requests, in the order of the mesh: `[{ id (`null` of one without rules), name, listeners: [{ id, hostname }], hostnames, rules: [{
 * matches, filters, backends, timeouts, retry }] }]`. Names of header fields are in lower case, defaults filled in.
 */
export function* writeHttpRoutes(mesh: WideMesh, ids: HttpIds, text: PlanText): Steps<void> {
  const attachments = attachmentsOf(mesh, ids)
  const idle = new Set(attachments.keys())
  let separator = '['
  for (const route of mesh.routes ?? []) {
    if (isTcpRoute(route, mesh.listeners)) continue
    const { name, listeners, hostnames = [] } = route
    const names = listeners ?? [...attachments.keys()]
    const attached = names.flatMap((one) => attachments.get(one) ?? [])
    for (const one of names) idle.delete(one)
    const head = JSON.stringify({ id: ids.routes.get(name), name, listeners: attached, hostnames })
    text.add(`${separator}${head.slice(0, -1)},"rules":[`)
    separator = ','
    for (const [index, rule] of route.rules.entries()) {
      text.add(`${index > 0 ? ',' : ''}${JSON.stringify(planRule(rule, ids))}`)
      yield
    }
    text.add(']}')
    yield
  }
  // A listener that no route is for has its host name all the same: its requests are no other listener's.
  for (const name of idle) {
    text.add(
      `${separator}${JSON.stringify({ id: null, name, listeners: [attachments.get(name)], hostnames: [], rules: [] })}`,
    )
    separator = ','
  }
  text.add(separator === '[' ? '[]' : ']')
}

/** The names of the routes of requests. */
export function* httpRouteNames(mesh: WideMesh): Generator<string> {
  for (const route of mesh.routes ?? []) if (!isTcpRoute(route, mesh.listeners)) yield route.name
}

/** By name, the listeners that take requests. */
function attachmentsOf({ listeners = {} }: WideMesh, ids: HttpIds): Map<string, Attachment> {
  const attachments = new Map<string, Attachment>()
  for (const [name, leader] of leadersOf(listeners)) {
    const { hostname = null } = listeners[name]!
    if (takesRequests(listeners[name]!)) attachments.set(name, { id: ids.listeners.get(leader)!, hostname })
  }
  return attachments
}

interface SettledRetry {
  readonly attempts: number
  readonly codes: readonly number[]
  readonly backoff: number
  readonly on: readonly string[]
}
interface SettledRule {
  readonly matches?: readonly WideMatch[]
  readonly filters?: readonly WideFilter[]
  readonly timeouts?: { readonly request?: number; readonly backendRequest?: number }
  readonly retry?: SettledRetry
}

function planRule(rule: WideRule, { services }: HttpIds): object {
  const { filters = [], timeouts = {}, retry } = settle(ruleSchema, { ...rule, backendRefs: undefined }) as SettledRule
  const { matches = [], backendRefs = [] } = rule
  return {
    matches: (matches.length > 0 ? matches : [{}]).map(planMatch),
    filters: filters.flatMap(planFilter),
    backends: backendRefs.flatMap((backend) =>
      'service' in backend
        ? {
            service: services.get(backend.service)!.id,
            weight: backend.weight ?? 1,
            filters: (backend.filters ?? []).flatMap(planFilter),
          }
        : [],
    ),
    timeouts: { request: timeouts.request ?? 0, backendRequest: timeouts.backendRequest ?? 0 },
    retry: retry && retry.attempts > 0 ? planRetry(retry) : null,
  }
}

function planMatch({ path, method, headers = [], queryParams = [] }: WideMatch): object {
  return {
    path: path ? { type: path.type, value: path.value } : { type: 'PathPrefix', value: '/' },
    method: method ?? null,
    headers: headers.map((match) => ({ ...planValue(match), name: match.name.toLowerCase() })),
    queryParams: queryParams.map(planValue),
  }
}

function planValue({ name, value, type }: NonNullable<WideMatch['headers']>[number]): object {
  return { name, value, regex: type === 'RegularExpression' }
}

/** The filter of a plan; none for what the engine does not know of. */
function planFilter(filter: WideFilter): object | [] {
  const { type } = filter
  switch (type) {
    case 'RequestHeaderModifier':
    case 'ResponseHeaderModifier': {
      const { set, add, remove = [] } = filter
      return { type, set: pairs(set), add: pairs(add), remove: remove.map((name) => name.toLowerCase()) }
    }
    case 'URLRewrite':
      return { type, hostname: filter.hostname ?? null, path: planPath(filter.path) }
    case 'RequestRedirect': {
      const { scheme = null, hostname = null, port = null, path, statusCode } = filter
      return { type, scheme, hostname, port, path: planPath(path), statusCode }
    }
    case 'DirectResponse':
      return { type, status: filter.status, headers: pairs(filter.headers), body: filter.body ?? '' }
    default:
      return []
  }
}

type PathChange = Extract<WideFilter, { type: 'URLRewrite' }>['path']

function planPath(path: PathChange): object | null {
  if (path === undefined) return null
  const value = path.type === 'ReplaceFullPath' ? path.replaceFullPath : path.replacePrefixMatch
  return { type: path.type, value }
}

function pairs(fields: { readonly [_: string]: string } = {}): [string, string][] {
  return Object.entries(fields).map(([name, value]) => [name.toLowerCase(), value])
}

function planRetry({ attempts, codes, backoff, on }: SettledRetry): object {
  const [connectFailure, reset, timeout] = ['connectFailure', 'reset', 'timeout'].map((what) => on.includes(what))
  return { attempts, codes, backoff, connectFailure, reset, timeout }
}
