import { parseAddress, parsePrefix } from '../address.js'
import { limits } from '../limits.js'
import { quote } from '../names.js'
import type { Path, Problems } from '../problem.js'
import type { Port } from '../schema/ports.js'
import type { Steps } from '../steps.js'
import type { MeshView } from '../view.js'

/** Ports: how many, and that no two of them take the same device. */
export function* checkPorts(view: MeshView, problems: Problems): Steps<void> {
  if (view.unchanged('ports')) return
  const names = view.names('ports')
  if (names.has('host')) problems.add(['ports', 'host'], "'host' is the node's own port", 'another name')
  if (names.size >= limits.ports) problems.add(['ports'], `${names.size} ports`, `at most ${limits.ports - 1} ports`)
  const taken = new Map<string, Path>()
  for (const [name, outer] of view.entries('ports')) {
    const wrapped = outer.type === 'fault'
    const port = wrapped ? outer.port : outer
    if (view.sound(port)) checkPort(port, ['ports', name, ...(wrapped ? ['port'] : [])], taken, problems)
    yield
  }
}

function checkPort(port: Port, path: Path, taken: Map<string, Path>, problems: Problems): void {
  const [key, device] = deviceOf(port)
  if (device !== undefined) {
    const other = taken.get(device)
    if (other)
      problems.add([...path, key], `${quote(other.join('.'))} has it already`, 'a device of its own for each port')
    else taken.set(device, path)
  }
  if (port.type === 'pcap' && port.read === undefined && port.write === undefined)
    problems.add(path, 'neither reads nor writes', "'read', 'write' or both")
  if (port.type === 'tap') checkTapRoutes(port, path, problems)
}

/** The key that names what a port takes, and what it takes, comparable between ports. */
function deviceOf(port: Port): [key: string, device: string | undefined] {
  switch (port.type) {
    case 'iface':
      return ['interface', `interface ${port.netns ?? ''} ${port.interface}`]
    case 'tap':
      return ['name', port.name === undefined ? undefined : `interface ${port.netns ?? ''} ${port.name}`]
    case 'ethdev':
      return ['devargs', `device ${port.devargs}`]
    case 'pcap':
      return ['write', port.write === undefined ? undefined : `file ${port.write}`]
    default:
      return ['', undefined]
  }
}

function checkTapRoutes(port: Port & { type: 'tap' }, path: Path, problems: Problems): void {
  for (const [index, { to, via }] of (port.routes ?? []).entries()) {
    if (via === undefined) continue
    const [target, gateway] = [parsePrefix(to), parseAddress(via)]
    if (target && gateway && target.family !== gateway.family)
      problems.add(
        [...path, 'routes', index, 'via'],
        `an IPv${gateway.family} gateway to an IPv${target.family} prefix`,
        `an IPv${target.family} address`,
      )
  }
}
