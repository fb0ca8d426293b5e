import { joinedPorts } from './plan-network.js'
import type { Problem } from './problem.js'
import { isTcpRoute } from './rules/tcp-routes.js'
import { runSync, type Steps } from './steps.js'
import { own } from './tree.js'
import type { Mesh, Rule, Service } from './types.js'

/** Told with the path, what is not supported, and what is. */
type Refuse = (path: Problem['path'], what: string, expected: string) => void

/**
 * What a valid mesh asks for that is not built yet; `start` and `apply` refuse it with `ERR_FLATPROXY_UNSUPPORTED`.
 */
export function unsupported(mesh: Mesh): Problem[] {
  return runSync(unsupportedSteps(mesh, undefined))
}

/**
 * {@link unsupported} in steps.
 *
 * @param before an earlier mesh of which nothing was refused: routes that are the same by identity are passed over
 */
export function* unsupportedSteps(mesh: Mesh, before: Mesh | undefined): Steps<Problem[]> {
  const problems: Problem[] = []
  const refuse: Refuse = (path, what, expected) =>
    problems.push({ path, message: `${what} not supported yet`, expected })
  refuseJoined(mesh, refuse)
  yield* refuseRoutes(mesh, before, refuse)
  refusePolicies(mesh, refuse)
  refuseHost(mesh, refuse)
  return problems
}

function* refuseRoutes(mesh: Mesh, before: Mesh | undefined, refuse: Refuse): Steps<void> {
  const { routes = [], listeners, services = {} } = mesh
  // Requests of many clients share a connection to an endpoint, which can speak for none of them.
  const personal = Object.keys(services).filter((name) => speaksForClients(services[name]!))
  if (personal.length === 0 && before && mesh.routes === before.routes && listeners === before.listeners) return
  const reached = new Set<string>()
  for (const [index, route] of routes.entries()) {
    if (index % 64 === 63) yield
    if (isTcpRoute(route, listeners)) continue
    route.rules.forEach((rule, at) =>
      refuseRule(rule, (path, ...rest) => refuse(['routes', index, 'rules', at, ...path], ...rest), reached),
    )
  }
  for (const name of personal) {
    if (!reached.has(name)) continue
    const { sourceAddress, proxyProtocol } = services[name]!
    if (sourceAddress === 'client')
      refuse(['services', name, 'sourceAddress'], "'client' for the requests of http routes is", "'own'")
    if (proxyProtocol !== undefined)
      refuse(['services', name, 'proxyProtocol'], 'PROXY headers for the requests of http routes are', 'none')
  }
}

/** Between joined ports we speak in the name of each client, and connections to endpoints are shared. */
function refuseJoined({ ports, listeners = {} }: Mesh, refuse: Refuse): void {
  const joined = joinedPorts({ ports })
  if (joined.size === 0) return
  for (const [name, { protocol, on }] of Object.entries(listeners))
    if ((protocol === 'http' || protocol === 'https') && (on === undefined || joined.has(on)))
      refuse(['listeners', name], 'requests that come by joined ports are', "'on' another port, or protocol 'tcp'")
}

function refusePolicies(mesh: Mesh, refuse: Refuse): void {
  const { policies = [], policyDefault, flows } = mesh
  const judges: [path: string, what: string, are: string, instead: string][] = []
  if (policies.length > 0) judges.push(['policies', 'policies', 'are', 'no policies'])
  if (policyDefault === 'deny') judges.push(['policyDefault', "'deny'", 'is', "'allow'"])
  for (const [path, what, are, instead] of judges) {
    // What nobody claims stays with the kernel there, and would pass unseen.
    if (hasIface(mesh, (take) => take === 'matched'))
      refuse([path], `${what} beside iface ports with take: 'matched' ${are}`, `take: 'all', or ${instead}`)
  }
  // What is not tracked is not judged either.
  if (judges.length > 0 && flows?.track === 'services')
    refuse(['flows', 'track'], "'services' beside policies is", "'all', or neither policies nor policyDefault 'deny'")
}

function refuseHost(mesh: Mesh, refuse: Refuse): void {
  if (hooksHost(mesh)) return
  for (const path of usesOfHost(mesh))
    refuse(path, "'host' without an iface port that takes all is", "a port, or an iface port with take: 'all'")
}

function* usesOfHost({ workloads = {}, policies = [] }: Mesh): Generator<Problem['path']> {
  for (const name of Object.keys(workloads)) if (own(workloads, name)?.on === 'host') yield ['workloads', name, 'on']
  for (const [index, { on }] of policies.entries()) {
    if (on === 'host') yield ['policies', index, 'on']
    else if (Array.isArray(on) && on.includes('host')) yield ['policies', index, 'on', on.indexOf('host')]
  }
}

function speaksForClients({ sourceAddress, proxyProtocol }: Service): boolean {
  return sourceAddress === 'client' || proxyProtocol !== undefined
}

function refuseRule({ filters = [], backendRefs = [] }: Rule, refuse: Refuse, reached: Set<string>): void {
  filters.forEach(({ type }, index) => {
    if (type === 'Hook') refuse(['filters', index], 'hooks are', 'other filters')
  })
  backendRefs.forEach((backend, index) => {
    if (backend.service !== undefined) reached.add(backend.service)
    else if (backend.handler !== undefined) refuse(['backendRefs', index, 'handler'], 'handlers are', 'a service')
    else refuse(['backendRefs', index, 'originalDestination'], 'the original destination of requests is', 'a service')
  })
}

/** Whether the node's own stack is reached: an `iface` port that takes all hooks its egress as well. */
export function hooksHost(mesh: Mesh): boolean {
  return hasIface(mesh, (take) => take === 'all')
}

function hasIface(mesh: Mesh, fits: (take: 'all' | 'matched') => boolean): boolean {
  return Object.values(mesh.ports).some((outer) => {
    const port = outer.type === 'fault' ? outer.port : outer
    return port.type === 'iface' && fits(port.take ?? 'all')
  })
}
