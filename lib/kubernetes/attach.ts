import type { Field } from './field.js'
import type { GatewayListener, Gateways } from './gateways.js'

const gatewayGroup = 'gateway.networking.k8s.io'

/**
 * The names, in the mesh, of the listeners that a route attaches to. What attaches to none is told, but where the listener
 * itself was.
 */
export function attach(spec: Field, namespace: string, hostnames: readonly string[], gateways: Gateways): string[] {
  const names = new Set<string>()
  const parents = spec.list('parentRefs')
  if (parents.length === 0) spec.refuse('it has no parentRefs')
  for (const parent of parents)
    for (const { planned } of attachTo(parent, namespace, hostnames, gateways)) if (planned) names.add(planned[0])
  return [...names]
}

function attachTo(
  parent: Field,
  namespace: string,
  hostnames: readonly string[],
  gateways: Gateways,
): readonly GatewayListener[] {
  const group = parent.text('group') ?? gatewayGroup
  const kind = parent.text('kind') ?? 'Gateway'
  const [section, port] = [parent.text('sectionName'), parent.number('port')]
  const owner = parent.text('namespace') ?? namespace
  const name = parent.need('name')
  if (name === undefined) return []
  const refuse = (why: string): [] => {
    parent.refuse(why)
    return []
  }
  if (group !== gatewayGroup || kind !== 'Gateway') return refuse(`routes of a ${kind} are not imported`)
  const all = gateways.get(`${owner}/${name}`)
  if (!all) return refuse(`there is no Gateway ${owner}/${name}`)
  const meant = all.filter(
    (listener) =>
      (section === undefined || listener.section === section) && (port === undefined || listener.port === port),
  )
  if (meant.length === 0) return refuse(`Gateway ${owner}/${name} has no such listener`)
  const allowed = meant.filter(({ allows }) => allows(namespace))
  if (allowed.length === 0) return refuse(`no listener of Gateway ${owner}/${name} takes HTTPRoutes of ${namespace}`)
  const matching = allowed.filter(({ hostname }) => meets(hostname, hostnames))
  if (matching.length === 0) return refuse(`no listener of Gateway ${owner}/${name} is for its hostnames`)
  return matching
}

/** Whether there are hosts that are meant by a listener and by a route. */
function meets(listener: string | undefined, hostnames: readonly string[]): boolean {
  if (listener === undefined || hostnames.length === 0) return true
  return hostnames.some((hostname) => covers(listener, hostname) || covers(hostname, listener))
}

/** Whether every host that `narrow` means is meant by `wide`. */
function covers(wide: string, narrow: string): boolean {
  return wide === narrow || (wide.startsWith('*.') && narrow.endsWith(wide.slice(1)))
}
