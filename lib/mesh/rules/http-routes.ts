import { parseDuration } from '../duration.js'
import { quote } from '../names.js'
import type { Path, Problems } from '../problem.js'
import type { WideMesh } from '../schema/mesh.js'
import type { Steps } from '../steps.js'
import { own } from '../tree.js'
import type { MeshView } from '../view.js'
import { checkRegex } from '../../native.js'
import { sameVirtualAddresses } from './addresses.js'
import { answeredBy, checkFilters, checkPrefixes } from './filters.js'
import { isTcpRoute } from './tcp-routes.js'

type Rule = NonNullable<WideMesh['routes']>[number]['rules'][number]
type Match = NonNullable<Rule['matches']>[number]

/** HTTP routes: what their rules match can be, what they do goes together, and somebody answers. */
export function* checkHttpRoutes(view: MeshView, problems: Problems): Steps<void> {
  const same = view.unchanged('listeners') && (yield* sameVirtualAddresses(view))
  if (same && view.unchanged('routes')) return
  const listeners = view.section('listeners')
  for (const [index, route] of view.items('routes')) {
    if (index % 256 === 255) yield
    if ((same && view.kept('routes', index)) || isTcpRoute(route, listeners)) continue
    for (const [at, rule] of route.rules.entries()) {
      if (view.sound(rule)) checkRule(view, problems, ['routes', index, 'rules', at], rule)
      yield
    }
  }
}

function checkRule(view: MeshView, problems: Problems, path: Path, rule: Rule): void {
  const { matches = [], filters = [] } = rule
  for (const [index, match] of matches.entries())
    if (view.sound(match)) checkMatch(view, problems, [...path, 'matches', index], match)
  checkFilters(view, problems, [...path, 'filters'], filters)
  if (matches.every((match) => view.sound(match))) checkPrefixes(view, problems, path, rule)
  checkBackends(view, problems, path, rule)
  checkTimeouts(view, problems, [...path, 'timeouts'], rule.timeouts)
}

function checkMatch(view: MeshView, problems: Problems, path: Path, match: Match): void {
  if (match.path && view.sound(match.path)) checkPath(problems, [...path, 'path', 'value'], match.path)
  for (const key of ['headers', 'queryParams'] as const) {
    const first = new Map<string, number>()
    for (const [index, item] of (match[key] ?? []).entries()) {
      if (!view.sound(item)) continue
      const at = [...path, key, index]
      const name = key === 'headers' ? item.name.toLowerCase() : item.name
      const other = first.get(name)
      if (other === undefined) first.set(name, index)
      else
        problems.add([...at, 'name'], `${quote(`${key}.${other}`)} is about ${quote(item.name)} already`, 'each once')
      if (item.type === 'RegularExpression') checkExpression(problems, [...at, 'value'], item.value)
    }
  }
}

/** What a path of a request never has, once it is normalized (the rules of the Gateway API's HTTPPathMatch). */
const strange = /\/\/|\/\.(?=\/|$)|\/\.\.(?=\/|$)|%2f|#/i
const pathText = /^([-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})+$/

function checkPath(problems: Problems, path: Path, { type, value }: NonNullable<Match['path']>): void {
  if (type === 'RegularExpression') return checkExpression(problems, path, value)
  if (!value.startsWith('/'))
    return problems.add(
      path,
      `${quote(value)} does not begin with '/'`,
      'an absolute path',
      `did you mean '/${value}'?`,
    )
  const found = strange.exec(value)
  if (found)
    problems.add(
      path,
      `${quote(value)} has ${quote(found[0])} in it`,
      "a path without '//', dots as segments, '%2F' and '#'",
    )
  else if (!pathText.test(value))
    problems.add(
      path,
      `${quote(value)} has characters that no path has`,
      'a path, percent-encoded',
      value.includes('?') ? 'the query is matched by queryParams' : undefined,
    )
}

function checkExpression(problems: Problems, path: Path, text: string): void {
  const fault = checkRegex(text)
  if (fault !== undefined) problems.add(path, `${quote(text)}: ${fault}`, 'a regular expression in the syntax of RE2')
}

function checkBackends(view: MeshView, problems: Problems, path: Path, { filters = [], backendRefs = [] }: Rule): void {
  const at = [...path, 'backendRefs']
  const known = filters.filter((filter) => view.sound(filter))
  const answer = answeredBy(known)
  if (answer !== undefined && backendRefs.length > 0)
    problems.add(at, `nothing comes to them: ${answer} answers`, 'no backendRefs, or no such filter')
  if (answer === undefined && backendRefs.length === 0 && known.length === filters.length)
    problems.add(at, 'nobody answers', 'at least one backend', 'or the filter RequestRedirect or DirectResponse')
  for (const [index, backend] of backendRefs.entries()) {
    if (!view.sound(backend)) continue
    checkFilters(view, problems, [...at, index, 'filters'], backend.filters ?? [])
    if ('service' in backend && own(view.section('services'), backend.service)?.protocol === 'udp')
      problems.add([...at, index, 'service'], `service ${quote(backend.service)} is UDP`, 'a service of protocol tcp')
  }
}

function checkTimeouts(view: MeshView, problems: Problems, path: Path, timeouts: Rule['timeouts']): void {
  if (!timeouts || !view.sound(timeouts)) return
  const instead = {
    connect: 'backendRequest bounds a try',
    idle: 'listeners of protocol http have timeouts of their own',
  }
  for (const key of ['connect', 'idle'] as const)
    if (timeouts[key] !== undefined)
      problems.add([...path, key], 'it is for tcp routes', `no ${key}`, `leave it out: ${instead[key]}`)
  const [request, backendRequest] = [parseDuration(timeouts.request) ?? 0, parseDuration(timeouts.backendRequest) ?? 0]
  if (request > 0 && backendRequest > request)
    problems.add(
      [...path, 'backendRequest'],
      `${backendRequest} ms is longer than the ${request} ms of the request as a whole`,
      "at most 'request'",
    )
}
