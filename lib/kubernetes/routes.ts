import type { Match } from '../mesh/index.js'
import type { Route, Rule } from '../mesh/types.js'
import { attach } from './attach.js'
import { readBackends, type Granted } from './backends.js'
import { readDuration } from './duration.js'
import type { Field } from './field.js'
import { ruleFilters } from './filters.js'
import type { Gateways } from './gateways.js'
import type { K8sObject, Objects } from './objects.js'
import type { Services } from './services.js'
import type { Sessions } from './sessions.js'

/** What routes refer to. */
export interface Around {
  readonly gateways: Gateways
  readonly services: Services
  readonly granted: Granted
  readonly sessions: Sessions
  /** Remembers where a part of the mesh came from. */
  readonly from: <T extends object>(part: T, source: Field) => T
}

/** The HTTPRoutes that attach to a listener, the oldest first, then by namespace and name. */
export function importRoutes(objects: Objects, around: Around): Route[] {
  const routes = objects.of('HTTPRoute').map((object) => ({ object, key: `${object.namespace}/${object.name}` }))
  routes.sort((a, b) => order(a.object.createdAt, b.object.createdAt) || order(a.key, b.key))
  return routes.flatMap(({ object, key }) => readRoute(object, key, around) ?? [])
}

const order = <T extends number | string>(a: T, b: T): number => (a < b ? -1 : a > b ? 1 : 0)

function readRoute({ root, namespace }: K8sObject, name: string, around: Around): Route | undefined {
  root.ignore('status')
  const spec = root.must('spec')
  if (!spec) return undefined
  const hostnames = spec.texts('hostnames')
  const listeners = attach(spec, namespace, hostnames, around.gateways)
  const given = spec.list('rules')
  // Without rules the API has one that is for all requests and leads nowhere.
  const rules = given.length > 0 ? given.map((rule) => readRule(rule, namespace, around)) : [{ filters: [failure] }]
  if (listeners.length === 0) return undefined
  return around.from({ name, listeners, ...(hostnames.length > 0 && { hostnames }), rules }, root)
}

/** The answer where the API asks for one: nobody is there who could give another. */
const failure = { type: 'DirectResponse', status: 500 } as const

function readRule(source: Field, namespace: string, around: Around): Rule {
  source.ignore('name')
  const matches = source.list('matches').map((match) => around.from(readMatch(match, around), match))
  const matched = matches.length > 0 && { matches }
  const filters = ruleFilters(source)
  const backendRefs = readBackends(source, namespace, around.services, around.granted)
  const [timeouts, retry] = [readTimeouts(source.get('timeouts')), readRetry(source.get('retry'))]
  const redirected = filters?.some(({ type }) => type === 'RequestRedirect') ?? false
  const fails = !filters || (!backendRefs && !redirected)
  around.sessions.add(source.get('sessionPersistence'), (!fails && backendRefs) || [])
  if (fails) return around.from({ ...matched, filters: [failure] }, source)
  const rule: Rule = {
    ...matched,
    ...(filters.length > 0 && { filters }),
    ...(backendRefs && { backendRefs }),
    ...(timeouts && { timeouts }),
    ...(retry && { retry }),
  }
  return around.from(rule, source)
}

function readMatch(match: Field, { from }: Around): Match {
  const path = match.get('path')
  const [type, value] = [path?.text('type') ?? 'PathPrefix', path?.text('value') ?? '/']
  const method = match.text('method')
  const headers = readValues(match, 'headers', (name) => name.toLowerCase())
  const queryParams = readValues(match, 'queryParams', (name) => name)
  return {
    ...(path && { path: from({ type: type as 'Exact', value }, path) }),
    ...(method !== undefined && { method }),
    ...(headers.length > 0 && { headers }),
    ...(queryParams.length > 0 && { queryParams }),
  }
}

/** Of several matches of one name the first one counts. */
function readValues(match: Field, key: string, fold: (name: string) => string): NonNullable<Match['headers']> {
  const values = new Map<string, { name: string; value: string; type?: 'Exact' }>()
  for (const item of match.list(key)) {
    const [name, value, type] = [item.need('name'), item.need('value'), item.text('type')]
    if (name === undefined || value === undefined || values.has(fold(name))) continue
    values.set(fold(name), { ...(type !== undefined && { type: type as 'Exact' }), name, value })
  }
  return [...values.values()]
}

function readTimeouts(timeouts: Field | undefined): Rule['timeouts'] {
  const [request, backendRequest] = [readDuration(timeouts, 'request'), readDuration(timeouts, 'backendRequest')]
  if (request === undefined && backendRequest === undefined) return undefined
  return { ...(request !== undefined && { request }), ...(backendRequest !== undefined && { backendRequest }) }
}

/** A connection that was reset may have carried the request: the API asks not to retry it unasked. */
function readRetry(retry: Field | undefined): Rule['retry'] {
  if (!retry) return undefined
  const codes = retry.list('codes').flatMap(({ value }) => (typeof value === 'number' ? value : []))
  const [attempts, backoff] = [retry.number('attempts'), readDuration(retry, 'backoff')]
  return {
    ...(attempts !== undefined && { attempts }),
    ...(codes.length > 0 && { codes }),
    ...(backoff !== undefined && { backoff }),
    on: ['connectFailure'],
  }
}
