import { quote } from '../names.js'
import type { Path, Problems } from '../problem.js'
import type { WideMesh } from '../schema/mesh.js'
import type { MeshView } from '../view.js'

type Rule = NonNullable<WideMesh['routes']>[number]['rules'][number]
type Filter = NonNullable<Rule['filters']>[number]
type Kind = Filter['type']
type Of<K extends Kind> = Extract<Filter, { type: K }>

/** Fields that belong to one connection, or say where a message ends (RFC 9110 section 7.6.1, RFC 9112 section 6). */
const untouchable: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Kinds that do not go together: one of them would have no effect. */
const exclusive: readonly (readonly [Kind, Kind])[] = [
  ['RequestRedirect', 'URLRewrite'],
  ['RequestRedirect', 'DirectResponse'],
  ['URLRewrite', 'DirectResponse'],
]

/** Responses without a body (RFC 9110 sections 15.3.5, 15.3.6, 15.4.5). */
const bodiless: readonly number[] = [204, 205, 304]

/** The kind of the filter that answers in place of a backend, if there is one. */
export function answeredBy(filters: readonly Filter[]): 'RequestRedirect' | 'DirectResponse' | undefined {
  return (['RequestRedirect', 'DirectResponse'] as const).find((kind) => filters.some(({ type }) => type === kind))
}

/** The filters of a rule, or of a backend. */
export function checkFilters(view: MeshView, problems: Problems, path: Path, filters: readonly Filter[]): void {
  const first = new Map<Kind, number>()
  for (const [index, filter] of filters.entries()) {
    if (!view.sound(filter)) continue
    const { type } = filter
    const at = [...path, index]
    const twin = first.get(type)
    if (twin === undefined) first.set(type, index)
    else if (type !== 'Hook')
      problems.add(at, `${quote(`filters.${twin}`)} is a ${type} already`, 'each kind of filter once')
    for (const pair of exclusive) {
      const other = pair.find((kind) => kind !== type)!
      if (pair.includes(type) && first.has(other)) problems.add(at, `${type} beside ${other}`, 'one of them')
    }
    if (type === 'RequestHeaderModifier' || type === 'ResponseHeaderModifier') checkChanges(view, problems, at, filter)
    else if (type === 'DirectResponse') checkDirect(view, problems, at, filter)
  }
}

/** A prefix can be replaced where one has matched. */
export function checkPrefixes(
  view: MeshView,
  problems: Problems,
  path: Path,
  { filters = [], matches = [] }: Rule,
): void {
  const others = matches.filter(({ path }) => path !== undefined && path.type !== 'PathPrefix')
  if (others.length === 0) return
  for (const [index, filter] of filters.entries()) {
    if (!view.sound(filter) || (filter.type !== 'RequestRedirect' && filter.type !== 'URLRewrite')) continue
    if (filter.path?.type === 'ReplacePrefixMatch')
      problems.add(
        [...path, 'filters', index, 'path'],
        `a match by ${others[0]!.path!.type} has no prefix that could be replaced`,
        'a rule whose matches are all of type PathPrefix',
      )
  }
}

function checkChanges(
  view: MeshView,
  problems: Problems,
  path: Path,
  { set, add, remove = [] }: Of<'RequestHeaderModifier' | 'ResponseHeaderModifier'>,
): void {
  const names: [name: string, at: Path][] = []
  for (const [key, fields] of Object.entries({ set, add }))
    if (fields && view.sound(fields))
      names.push(...Object.keys(fields).map((name): [string, Path] => [name, [key, name]]))
  names.push(...remove.map((name, index): [string, Path] => [name, ['remove', index]]))
  const seen = new Map<string, Path>()
  for (const [name, at] of names) {
    checkField(problems, [...path, ...at], name)
    const other = seen.get(name.toLowerCase())
    if (other === undefined) seen.set(name.toLowerCase(), at)
    else problems.add([...path, ...at], `${quote(other.join('.'))} is about ${quote(name)} already`, 'each header once')
  }
}

function checkField(problems: Problems, path: Path, name: string): void {
  const lower = name.toLowerCase()
  if (untouchable.has(lower))
    problems.add(
      path,
      `${quote(name)} cannot be changed: flatproxy writes it for each connection and message`,
      'another header',
      lower === 'host' ? 'use the filter URLRewrite with `hostname`' : undefined,
    )
}

function checkDirect(view: MeshView, problems: Problems, path: Path, filter: Of<'DirectResponse'>): void {
  const { status, headers, body = '' } = filter
  if (body !== '' && bodiless.includes(status))
    problems.add([...path, 'body'], `a response of status ${status} has no body`, 'no body')
  if (!headers || !view.sound(headers)) return
  const seen = new Set<string>()
  for (const name of Object.keys(headers)) {
    checkField(problems, [...path, 'headers', name], name)
    if (seen.has(name.toLowerCase()))
      problems.add([...path, 'headers', name], `${quote(name)} stands twice`, 'each header once')
    seen.add(name.toLowerCase())
  }
}
