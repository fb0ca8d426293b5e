import { quote } from '../names.js'
import type { Path, Problems } from '../problem.js'
import type { WideMesh } from '../schema/mesh.js'
import type { Steps } from '../steps.js'
import { own } from '../tree.js'
import { listOf, type MeshView } from '../view.js'
import { isHost, takesRequests } from './sharing.js'

type Listener = NonNullable<WideMesh['listeners']>[string]
type Route = NonNullable<WideMesh['routes']>[number]

const carriesWhole = (listener: Listener | undefined) => listener !== undefined && !takesRequests(listener)

/** Whether a route carries whole TCP connections: it is from listeners of that protocol. */
export function isTcpRoute({ listeners = [] }: Route, known: WideMesh['listeners']): boolean {
  return listeners.some((name) => carriesWhole(own(known, name)))
}

/** TCP routes: what they say makes sense of connections, and each listener has one. */
export function* checkTcpRoutes(view: MeshView, problems: Problems): Steps<void> {
  if (view.unchanged('routes', 'listeners', 'services')) return
  const known = view.section('listeners')
  const taken = new Map<string, string>()
  for (const [index, route] of view.items('routes')) {
    if (!isTcpRoute(route, known)) continue
    const path = ['routes', index]
    for (const [at, name] of route.listeners!.entries()) {
      const place = [...path, 'listeners', at]
      const listener = own(known, name)
      if (listener !== undefined && !carriesWhole(listener))
        problems.add(place, `${quote(name)} takes requests, others do not`, 'listeners of protocols tcp and tls alone')
      const other = taken.get(name)
      if (other === undefined) taken.set(name, route.name)
      else problems.add(place, `route ${quote(other)} has its connections already`, 'one route for a tcp listener')
    }
    checkTcpRoute(view, problems, path, route)
    yield
  }
}

function checkTcpRoute(view: MeshView, problems: Problems, path: Path, route: Route): void {
  const refuse = (at: Path, what: string) =>
    problems.add([...path, ...at], `a tcp route has no ${what}`, `no ${what}`, `leave it out, or use an http listener`)
  if (route.hostnames !== undefined) refuse(['hostnames'], 'host names')
  if (route.rules.length !== 1)
    problems.add([...path, 'rules'], `${route.rules.length} rules of a tcp route`, 'exactly one rule')
  const [rule] = route.rules
  if (rule === undefined || !view.sound(rule)) return
  if (rule.matches !== undefined) refuse(['rules', 0, 'matches'], 'matches')
  if (rule.filters !== undefined) refuse(['rules', 0, 'filters'], 'filters')
  for (const key of ['request', 'backendRequest'] as const)
    if (rule.timeouts?.[key] !== undefined) refuse(['rules', 0, 'timeouts', key], 'requests')
  if (rule.retry !== undefined) refuse(['rules', 0, 'retry'], 'retries')
  for (const [which, backend] of (rule.backendRefs ?? []).entries()) {
    if (!view.sound(backend)) continue
    const at = [...path, 'rules', 0, 'backendRefs', which]
    if (backend.filters !== undefined) refuse(['rules', 0, 'backendRefs', which, 'filters'], 'filters')
    if ('originalDestination' in backend) checkOriginal(view, problems, [...at, 'originalDestination'], route, backend)
    else if ('handler' in backend) problems.add([...at, 'handler'], 'a handler cannot answer a tcp route', 'a service')
    else if (own(view.section('services'), backend.service)?.protocol === 'udp')
      problems.add([...at, 'service'], `service ${quote(backend.service)} is UDP`, 'a service of protocol tcp')
  }
}

/** The original destination of what a listener has been addressed by itself would be the listener. */
function checkOriginal(
  view: MeshView,
  problems: Problems,
  path: Path,
  route: Route,
  { originalDestination }: { originalDestination: boolean },
): void {
  if (!originalDestination) problems.add(path, 'false says nothing', 'true', 'leave the backend out')
  for (const name of route.listeners!) {
    const listener = own(view.section('listeners'), name)
    if (listener === undefined || !view.sound(listener)) continue
    if (listOf(listener.address).some(isHost))
      problems.add(path, `listener ${quote(name)} listens on addresses of its own`, 'listeners that intercept prefixes')
    if (listener.proxyProtocol !== undefined)
      problems.add(path, `listener ${quote(name)} takes PROXY headers`, 'listeners without proxyProtocol')
  }
}
