import { formatAddress, parsePrefix } from '../address.js'
import { quote } from '../names.js'
import type { Problems } from '../problem.js'
import { canonical } from '../resolve.js'
import type { Steps } from '../steps.js'
import { own } from '../tree.js'
import { listOf, type MeshView } from '../view.js'

/** Virtual addresses: no two services have the same address, port and protocol, and none is an own address of a port. */
export function* checkVirtualAddresses(view: MeshView, problems: Problems): Steps<void> {
  if (view.unchanged('ports') && (yield* sameVirtualAddresses(view))) return
  const ports = ownAddresses(view)
  const owners = new Map<string, string>()
  for (const [name, service] of view.entries('services')) {
    const { port, protocol = 'tcp' } = service
    for (const [index, text] of listOf(service.address).entries()) {
      const path = ['services', name, 'address', ...(Array.isArray(service.address) ? [index] : [])]
      const address = canonical(text)
      const holder = ports.get(address)
      if (holder !== undefined)
        problems.add(
          path,
          `${address} is an own address of port ${quote(holder)}`,
          'an address that no port has',
          `another address, or leave it out of ports.${holder}.own`,
        )
      const key = `${address} ${port} ${protocol}`
      const owner = owners.get(key)
      if (owner === undefined) owners.set(key, name)
      else
        problems.add(
          path,
          `service ${quote(owner)} has ${address} ${protocol} port ${port} already`,
          'each address, port and protocol once',
        )
    }
    yield
  }
}

/** Whether every service has the virtual addresses, port and protocol that it had in `before`. */
export function* sameVirtualAddresses(view: MeshView): Steps<boolean> {
  const before = view.before?.services
  if (!before || !view.sameNames('services')) return false
  let count = 0
  for (const [name, service] of view.entries('services')) {
    if (++count % 256 === 0) yield
    const old = own(before, name)
    if (service === old) continue
    if (service.address !== old?.address || service.port !== old?.port || service.protocol !== old?.protocol)
      return false
  }
  return true
}

/** The own addresses of all ports, with the port that has them. */
function ownAddresses(view: MeshView): Map<string, string> {
  const owners = new Map<string, string>()
  for (const [name, outer] of view.entries('ports')) {
    const port = outer.type === 'fault' ? outer.port : outer
    if (view.sound(port)) for (const text of port.own ?? []) owners.set(formatAddress(parsePrefix(text)!), name)
  }
  return owners
}
