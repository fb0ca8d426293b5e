import { limits } from '../limits.js'
import { quote } from '../names.js'
import type { Path, Problems } from '../problem.js'
import { canonical } from '../resolve.js'
import type { Steps } from '../steps.js'
import { listOf, type MeshView } from '../view.js'
import { sameVirtualAddresses } from './addresses.js'
import { checkPortName } from './forward.js'
import {
  addressKey,
  checkSharing,
  endsTls,
  isHost,
  placeOf,
  takesRequests,
  type Place,
  type WideListener,
} from './sharing.js'

/** Listeners: how many, that their ports exist, and that nothing else takes what comes to their addresses. */
export function* checkListeners(view: MeshView, problems: Problems): Steps<void> {
  if (view.unchanged('listeners', 'ports') && (yield* sameVirtualAddresses(view))) return
  const count = view.names('listeners').size
  if (count > limits.listeners)
    problems.add(['listeners'], `${count} listeners`, `at most ${limits.listeners} listeners`)
  if (count === 0) return
  const services = yield* virtualAddresses(view)
  const owners = new Map<string, { name: string; on: string | undefined }[]>()
  const places = new Map<string, Place>()
  for (const [name, listener] of view.entries('listeners')) {
    if (listener.on !== undefined) checkPortName(view, problems, ['listeners', name, 'on'], listener.on)
    if (!takesRequests(listener)) refuseHttp(problems, name, listener)
    checkTls(problems, name, listener)
    const place = placeOf(listener)
    const same = takesRequests(listener) ? places.get(place) : undefined
    if (same) checkSharing(view, problems, same, name)
    else {
      places.set(place, { name, listener, hosts: new Map([[listener.hostname, name]]) })
      checkAddresses(view, problems, name, listener, services, owners)
    }
    yield
  }
}

/** Host names and settings of HTTP are for requests. */
function refuseHttp(problems: Problems, name: string, listener: WideListener): void {
  for (const key of ['hostname', 'http'] as const)
    if (listener[key] !== undefined)
      problems.add(
        ['listeners', name, key],
        `a listener of protocol ${listener.protocol} takes no requests`,
        `no ${key}`,
        'leave it out, or use protocol http',
      )
}

/** Who ends TLS has certificates; nobody else has a use for them. */
function checkTls(problems: Problems, name: string, listener: WideListener): void {
  const { protocol, tls } = listener
  if (endsTls(listener) && tls === undefined)
    problems.add(['listeners', name], `it speaks ${protocol}, but has no certificates`, 'tls, with certificates')
  if (!endsTls(listener) && tls !== undefined)
    problems.add(
      ['listeners', name, 'tls'],
      `a listener of protocol ${protocol} speaks no TLS`,
      'no tls',
      `leave it out, or use protocol ${takesRequests(listener) ? 'https' : 'tls'}`,
    )
}

/** Nothing else takes what comes to a listener's addresses. */
function checkAddresses(
  view: MeshView,
  problems: Problems,
  name: string,
  { address, port, on }: WideListener,
  services: ReadonlyMap<string, string>,
  owners: Map<string, { name: string; on: string | undefined }[]>,
): void {
  for (const [index, text] of listOf(address).entries()) {
    const path = ['listeners', name, 'address', ...(Array.isArray(address) ? [index] : [])]
    const key = `${addressKey(text)} ${port}`
    if (!isHost(text)) checkReach(view, problems, path, on)
    const service = services.get(key)
    if (service !== undefined) problems.add(path, taken('service', service, key), 'an address and port of its own')
    const others = owners.get(key) ?? []
    const other = others.find((one) => one.on === undefined || on === undefined || on === one.on)
    if (other)
      problems.add(
        path,
        taken('listener', other.name, key),
        'an address and port of its own',
        sharesPart(view, name, other.name)
          ? 'http listeners that differ in their host names share all of their addresses, and `on`'
          : undefined,
      )
    owners.set(key, [...others, { name, on }])
  }
}

function sharesPart(view: MeshView, ...names: string[]): boolean {
  const listeners = names.map((name) => view.section('listeners')![name]!)
  return listeners.every(takesRequests) && new Set(listeners.map(({ hostname }) => hostname)).size === names.length
}

/** What passes through is seen by ports that take all. */
function checkReach(view: MeshView, problems: Problems, path: Path, on: string | undefined): void {
  for (const [name, outer] of view.entries('ports')) {
    if (on !== undefined && on !== name) continue
    const port = outer.type === 'fault' ? outer.port : outer
    if (view.sound(port) && port.type === 'iface' && port.take === 'matched')
      problems.add(
        path,
        `port ${quote(name)} takes what is matched, and nothing that passes through`,
        "ports that take all, or 'on' one that does",
      )
  }
}

const taken = (kind: string, name: string, key: string) =>
  `${kind} ${quote(name)} has ${key.replace(' ', ', port ')} already`

/** The virtual addresses of TCP services, as `address port`, with whose they are. */
function* virtualAddresses(view: MeshView): Steps<Map<string, string>> {
  const owners = new Map<string, string>()
  let count = 0
  for (const [name, { address, port, protocol = 'tcp' }] of view.entries('services')) {
    if (++count % 256 === 0) yield
    if (protocol === 'tcp') for (const text of listOf(address)) owners.set(`${canonical(text)} ${port}`, name)
  }
  return owners
}
