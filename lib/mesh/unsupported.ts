import type { Problem } from './problem.js'
import { isTcpRoute } from './rules/listeners.js'
import { own } from './tree.js'
import type { Mesh } from './types.js'

/**
 * What a valid mesh asks for that is not built yet; `start` and `apply` refuse it with `ERR_FLATPROXY_UNSUPPORTED`.
 */
export function unsupported(mesh: Mesh): Problem[] {
  const problems: Problem[] = []
  const refuse = (path: Problem['path'], what: string, expected: string) =>
    problems.push({ path, message: `${what} not supported yet`, expected })
  for (const [name, { protocol }] of Object.entries(mesh.listeners ?? {}))
    if (protocol !== 'tcp') refuse(['listeners', name, 'protocol'], `${protocol} is`, "'tcp'")
  for (const [index, route] of (mesh.routes ?? []).entries())
    if (!isTcpRoute(route, mesh.listeners))
      refuse(['routes', index], 'routes of requests are', 'routes from listeners of protocol tcp')
  for (const index of (mesh.policies ?? []).keys()) refuse(['policies', index], 'policies are', 'no policies')
  for (const [name, { balance }] of Object.entries(mesh.services ?? {}))
    if (balance === 'ringHash')
      refuse(['services', name, 'balance'], "'ringHash' is", "'maglev', 'roundRobin' or 'leastRequest'")
  if (!hooksHost(mesh))
    for (const name of Object.keys(mesh.workloads ?? {}))
      if (own(mesh.workloads, name)?.on === 'host')
        refuse(
          ['workloads', name, 'on'],
          "'host' without an iface port that takes all is",
          "a port, or an iface port with take: 'all'",
        )
  return problems
}

/** Whether the node's own stack is reached: an `iface` port that takes all hooks its egress as well. */
export function hooksHost(mesh: Mesh): boolean {
  return Object.values(mesh.ports).some((outer) => {
    const port = outer.type === 'fault' ? outer.port : outer
    return port.type === 'iface' && (port.take ?? 'all') === 'all'
  })
}
