import { contains, parsePrefix } from '../address.js'
import { limits } from '../limits.js'
import { listNames, meant, quote } from '../names.js'
import type { Path, Problems } from '../problem.js'
import type { WideMesh } from '../schema/mesh.js'
import type { Steps } from '../steps.js'
import { listOf, type MeshView } from '../view.js'

type Policy = NonNullable<WideMesh['policies']>[number]

/** Routes: no name stands twice; their listeners and services exist. */
export function* checkRoutes(view: MeshView, problems: Problems): Steps<void> {
  if (view.unchanged('routes') && view.sameNames('listeners') && view.sameNames('services')) return
  const count = view.count('routes')
  if (count > limits.routes) problems.add(['routes'], `${count} routes`, `at most ${limits.routes} routes`)
  checkUnique(view, problems, 'routes')
  for (const [index, route] of view.items('routes')) {
    const path = ['routes', index]
    for (const [at, name] of (route.listeners ?? []).entries())
      checkName(view, problems, 'listeners', [...path, 'listeners', at], name)
    for (const [at, rule] of route.rules.entries()) {
      if (!view.sound(rule)) continue
      for (const [which, backend] of (rule.backendRefs ?? []).entries())
        if (view.sound(backend) && 'service' in backend)
          checkName(
            view,
            problems,
            'services',
            [...path, 'rules', at, 'backendRefs', which, 'service'],
            backend.service,
          )
      yield
    }
  }
}

/** Policies: no name stands twice; their workloads exist; ranges and exceptions make sense. */
export function* checkPolicies(view: MeshView, problems: Problems): Steps<void> {
  if (view.unchanged('policies') && view.sameNames('workloads')) return
  checkUnique(view, problems, 'policies')
  for (const [index, policy] of view.items('policies')) {
    checkPeers(view, problems, ['policies', index, 'to'], policy.to)
    checkPeers(view, problems, ['policies', index, 'from'], policy.from)
    for (const [at, ports] of (policy.ports ?? []).entries())
      if (view.sound(ports))
        checkRange(problems, ['policies', index, 'ports', at, 'endPort'], ports.port, ports.endPort)
    yield
  }
}

function checkPeers(view: MeshView, problems: Problems, path: Path, peers: Policy['to']): void {
  for (const [index, peer] of listOf(peers).entries()) {
    if (!view.sound(peer)) continue
    const at = Array.isArray(peers) ? [...path, index] : path
    if ('workload' in peer) checkName(view, problems, 'workloads', [...at, 'workload'], peer.workload)
    if (!('cidr' in peer)) continue
    const wide = listOf(peer.cidr).map((text) => parsePrefix(text)!)
    for (const [which, text] of (peer.except ?? []).entries())
      if (!wide.some((prefix) => contains(prefix, parsePrefix(text)!)))
        problems.add([...at, 'except', which], `${text} lies in none of the prefixes of 'cidr'`, "a part of 'cidr'")
  }
}

function checkRange(problems: Problems, path: Path, port: number | undefined, endPort: number | undefined): void {
  if (endPort === undefined) return
  if (port === undefined) problems.add(path, "'endPort' without 'port'", "'port', the first of the range")
  else if (endPort < port) problems.add(path, `${endPort} is below 'port', ${port}`, `from ${port} to 65535`)
}

function checkUnique(view: MeshView, problems: Problems, part: 'routes' | 'policies'): void {
  const first = new Map<string, number>()
  for (const [index, { name }] of view.items(part)) {
    const other = first.get(name)
    if (other === undefined) first.set(name, index)
    else
      problems.add(
        [part, index, 'name'],
        `${quote(`${part}.${other}`)} has the name ${quote(name)} already`,
        'each name once',
      )
  }
}

type Named = 'listeners' | 'services' | 'workloads'

function checkName(view: MeshView, problems: Problems, section: Named, path: Path, name: string): void {
  if (view.has(section, name)) return
  const names = view.names(section)
  problems.add(
    path,
    `no ${section.slice(0, -1)} ${quote(name)}`,
    `one of the ${section}: ${listNames([...names])}`,
    meant(name, names),
  )
}
