import type {
  Filter,
  RequestHeaderModifier,
  RequestRedirect,
  ResponseHeaderModifier,
  URLRewrite,
} from '../mesh/index.js'
import type { Field } from './field.js'

type Modifier = RequestHeaderModifier | ResponseHeaderModifier

/** Filters without which the answer is the same. What another one would have refused must not pass (HTTPRouteFilter.type). */
const harmless: readonly string[] = ['RequestMirror', 'CORS']

/** The filters of a rule; `undefined`: there is one that is not imported, and without it nothing may pass. */
export function ruleFilters(rule: Field): Filter[] | undefined {
  return readFilters(rule, (filter, type) => {
    if (type === 'RequestRedirect') return readRedirect(filter.get('requestRedirect'))
    if (type === 'URLRewrite') return readRewrite(filter.get('urlRewrite'))
    return readModifier(filter, type)
  })
}

/** The same of a backend, which may change headers only. */
export function backendFilters(ref: Field): Modifier[] | undefined {
  return readFilters(ref, readModifier)
}

function readFilters<F>(holder: Field, read: (filter: Field, type: string) => F | undefined): F[] | undefined {
  const filters: F[] = []
  let safe = true
  for (const filter of holder.list('filters')) {
    const type = filter.need('type') ?? ''
    const known = read(filter, type)
    if (known) filters.push(known)
    else {
      filter.refuse(`a filter ${type} is not imported here`)
      if (!harmless.includes(type)) safe = false
    }
  }
  return safe ? filters : undefined
}

function readModifier(filter: Field, type: string): Modifier | undefined {
  if (type !== 'RequestHeaderModifier' && type !== 'ResponseHeaderModifier') return undefined
  const changes = filter.get(type === 'RequestHeaderModifier' ? 'requestHeaderModifier' : 'responseHeaderModifier')
  if (!changes) return undefined
  const [set, add, remove] = [readHeaders(changes, 'set'), readHeaders(changes, 'add'), changes.texts('remove')]
  return { type, ...(set && { set }), ...(add && { add }), ...(remove.length > 0 && { remove }) }
}

/** Of headers with names that differ in case only, the first one counts (HTTPHeader.name). */
function readHeaders(changes: Field, key: 'set' | 'add'): Record<string, string> | undefined {
  const headers = new Map<string, [name: string, value: string]>()
  for (const header of changes.list(key)) {
    const [name, value] = [header.need('name'), header.need('value')]
    if (name === undefined || value === undefined || headers.has(name.toLowerCase())) continue
    headers.set(name.toLowerCase(), [name, value])
  }
  return headers.size > 0 ? Object.fromEntries(headers.values()) : undefined
}

function readRedirect(redirect: Field | undefined): RequestRedirect | undefined {
  if (!redirect) return undefined
  const [scheme, hostname, port] = [redirect.text('scheme'), redirect.text('hostname'), redirect.number('port')]
  const [statusCode, path] = [redirect.number('statusCode'), readPath(redirect.get('path'))]
  return {
    type: 'RequestRedirect',
    ...(scheme !== undefined && { scheme: scheme as 'http' }),
    ...(hostname !== undefined && { hostname }),
    ...(port !== undefined && { port }),
    ...(path && { path }),
    ...(statusCode !== undefined && { statusCode: statusCode as 301 }),
  }
}

function readRewrite(rewrite: Field | undefined): URLRewrite | undefined {
  if (!rewrite) return undefined
  const [hostname, path] = [rewrite.text('hostname'), readPath(rewrite.get('path'))]
  return { type: 'URLRewrite', ...(hostname !== undefined && { hostname }), ...(path && { path }) }
}

function readPath(path: Field | undefined): URLRewrite['path'] {
  const type = path?.need('type')
  if (!path || type === undefined) return undefined
  if (type === 'ReplaceFullPath') return { type, replaceFullPath: path.text('replaceFullPath') ?? '' }
  if (type === 'ReplacePrefixMatch') return { type, replacePrefixMatch: path.text('replacePrefixMatch') ?? '' }
  path.refuse(`unknown: a path by ${type}`)
  return undefined
}
