import { formatPrefix, parsePrefix } from '../address.js'
import { quote } from '../names.js'
import type { Problems } from '../problem.js'
import { canonical } from '../resolve.js'
import { httpSettings, type listenerFields } from '../schema/listeners.js'
import type { WideMesh } from '../schema/mesh.js'
import { settle } from '../settle.js'
import { listOf, type MeshView } from '../view.js'

export type WideListener = NonNullable<WideMesh['listeners']>[string]

/** Whether a listener's address is a host's, which it listens on; not: a prefix, of which it intercepts. */
export const isHost = (address: string): boolean => !address.includes('/')

/** Whether a listener takes requests, so that host names tell it from others at its address. */
export const takesRequests = ({ protocol }: Pick<WideListener, 'protocol'>): boolean =>
  protocol === 'http' || protocol === 'https'

/** Whether a listener ends TLS. */
export const endsTls = ({ protocol }: Pick<WideListener, 'protocol'>): boolean =>
  protocol === 'https' || protocol === 'tls'

/** One text for all ways to write an address of a listener. */
export const addressKey = (text: string): string => (isHost(text) ? canonical(text) : formatPrefix(parsePrefix(text)!))

/** What listeners that share their addresses have in common, as text. */
export function placeOf({ address, port, on, protocol }: WideListener): string {
  const addresses = new Set(listOf(address).map(addressKey))
  return `${protocol} ${port} ${on ?? ''} ${[...addresses].sort().join(' ')}`
}

/**
 * By the name of each listener, the name of the first one that it shares its addresses, port and `on` with (its own, if
 * none is before it). To TCP they are one.
 */
export function leadersOf(listeners: WideMesh['listeners']): Map<string, string> {
  const leaders = new Map<string, string>()
  const places = new Map<string, string>()
  for (const [name, listener] of Object.entries(listeners ?? {})) {
    const place = takesRequests(listener) ? placeOf(listener) : name
    const leader = places.get(place)
    if (leader === undefined) places.set(place, name)
    leaders.set(name, leader ?? name)
  }
  return leaders
}

/** What stands at one place, while listeners are checked. */
export interface Place {
  readonly name: string
  readonly listener: WideListener
  /** By host name (`undefined`: any), the listener that is for it. */
  readonly hosts: Map<string | undefined, string>
}

/** A listener at the place of another one: it is for another host, and the same in all that TCP has to do with. */
export function checkSharing(view: MeshView, problems: Problems, place: Place, name: string): void {
  const listener = view.section('listeners')![name]!
  const other = place.hosts.get(listener.hostname)
  if (other === undefined) place.hosts.set(listener.hostname, name)
  else
    problems.add(
      ['listeners', name, 'hostname'],
      `listener ${quote(other)} has its address and port for ${listener.hostname ?? 'any host'} already`,
      'a host name of its own for each listener at an address and port',
    )
  const sound = [listener.http, listener.proxyProtocol, listener.tls].every(
    (part) => part === undefined || view.sound(part),
  )
  if (!sound) return
  for (const key of ['http', 'tls', 'maxConnections', 'maxConnectionsPerClient', 'proxyProtocol'] as const)
    if (settled(listener, key) !== settled(place.listener, key))
      problems.add(
        ['listeners', name, key],
        `it differs from that of listener ${quote(place.name)}, with which it shares address and port`,
        'the same for all listeners at an address and port: what it is for is known too late',
      )
}

function settled(listener: WideListener, key: keyof typeof listenerFields): string | undefined {
  if (key === 'http') return JSON.stringify(settle(httpSettings, listener.http ?? {}))
  // Each brings certificates of its own.
  if (key === 'tls') return listener.tls?.minVersion ?? '1.2'
  return JSON.stringify(listener[key])
}
