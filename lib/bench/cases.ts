import { FlatProxyError } from '../errors.js'

/** Who carries what: HTTP/1.1, HTTPS terminated, TCP terminated, or an L4 service's packets. */
export type Kind = 'http' | 'tls' | 'tcp' | 'l4'

/** One case of the side-by-side runs. */
export interface Case {
  readonly name: string
  readonly kind: Kind
  readonly base: Base
  /** Each host's receive work on its own core; else it is left where it falls. */
  readonly own: boolean
}

interface Work {
  readonly what: string
  readonly path: string
  readonly connections: number
  /** A new connection for each request. */
  readonly close?: boolean
  readonly kinds: readonly Kind[]
  /** Measured at an open-loop load as well. */
  readonly load?: boolean
}

const all: readonly Kind[] = ['http', 'tls', 'tcp', 'l4']

// prettier-ignore
const works = {
  small:       { what: 'keep-alive requests, 11-byte answers, 32 connections', path: '/small', connections: 32, kinds: all, load: true },
  ping:        { what: 'the same on one connection, closed loop',              path: '/small', connections: 1,  kinds: all },
  '10MB':      { what: '10 MB bodies, 8 connections',                          path: '/10MB',  connections: 8,  kinds: all, load: true },
  connect:     { what: 'a new connection for each request',                    path: '/small', connections: 32, kinds: all, load: true, close: true },
  resume:      { what: 'a new connection for each request, session resumed',   path: '/small', connections: 32, kinds: ['tls'], load: true, close: true },
  'routes-1k': { what: 'requests over 1,000 routes',                           path: '/route-0777/small', connections: 32, kinds: ['http'], load: true },
  idle:        { what: 'memory at rest, and per idle connection',              path: '/small', connections: 4000, kinds: all },
  handler:     { what: 'answered by a handler in JavaScript',                  path: '/small', connections: 32, kinds: ['http'], load: true },
} as const satisfies Record<string, Work>

export type Base = keyof typeof works

/** How many routes `routes-1k` has. */
export const routeCount = 1000
/** What the paths of {@link routeCount} routes begin with. */
export const routePrefixes: readonly string[] = Array.from(
  { length: routeCount },
  (_, index) => `/route-${String(index).padStart(4, '0')}/`,
)

/** The 10 MB of `10MB`, in bytes. */
export const bodyBytes = 10 * 1024 * 1024

export const workOf = ({ base }: Case): Work => works[base]

const prefixOf = (kind: Kind, own: boolean) => `${own ? 'own-' : ''}${kind === 'http' ? '' : `${kind}-`}`

/** Cases with `own-` are those whose figures tell of the processor. */
const ownBases: readonly Base[] = ['small', '10MB', 'connect', 'resume', 'routes-1k', 'ping']

function casesOf(own: boolean): Case[] {
  const cases = (Object.keys(works) as Base[]).flatMap((base) =>
    (works[base].kinds as readonly Kind[]).map((kind) => ({ name: prefixOf(kind, own) + base, kind, base, own })),
  )
  return cases.filter(({ base }) => !own || ownBases.includes(base))
}

/** Every case there is, in the order in which reports show them. */
export const allCases: readonly Case[] = [false, true]
  .flatMap(casesOf)
  .sort((a, b) => Number(a.own) - Number(b.own) || all.indexOf(a.kind) - all.indexOf(b.kind))

/** Bases that a full run leaves out where they tell little that others do not. */
const left: Readonly<Record<Kind, readonly Base[]>> = { http: [], tls: ['ping'], tcp: ['ping', 'idle'], l4: ['idle'] }

/** What a full run measures. */
export const fullCases: readonly string[] = allCases
  .filter(({ own, kind, base }) =>
    own ? kind !== 'tcp' && ['small', '10MB', 'connect'].includes(base) : !left[kind].includes(base),
  )
  .map(({ name }) => name)

/** What `--quick` measures. */
export const quickCases: readonly string[] = ['small', '10MB', 'connect']

/** The case of a name, or an error that lists what there is. */
export function caseOf(name: string): Case {
  const found = allCases.find((each) => each.name === name)
  if (found) return found
  const known = allCases.map((each) => each.name).join(', ')
  throw new FlatProxyError('ERR_FLATPROXY_ARGUMENT', `no such case: ${name} (${known})`)
}

/** A sentence about a case. */
export function describeCase(each: Case): string {
  const kinds = { http: 'HTTP/1.1', tls: 'HTTPS', tcp: 'TCP proxy', l4: 'L4 service' }
  return `${kinds[each.kind]}: ${workOf(each).what}${each.own ? "; each host's receive work on its own core" : ''}`
}
