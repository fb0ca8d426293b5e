import { formatPrefix, parseAddress, parsePrefix } from '../address.js'
import { meant, listNames, quote } from '../names.js'
import type { Path, Problems } from '../problem.js'
import type { Steps } from '../steps.js'
import type { MeshView } from '../view.js'

/** L3 routes: their ports exist, the next hop is of the destination's family, no prefix stands twice. */
export function* checkForward(view: MeshView, problems: Problems): Steps<void> {
  if (view.unchanged('forward') && view.sameNames('ports')) return
  const seen = new Map<string, number>()
  for (const [index, { to, on, via }] of view.items('forward')) {
    checkPortName(view, problems, ['forward', index, 'on'], on)
    const target = parsePrefix(to)!
    const hop = via === undefined ? undefined : parseAddress(via)!
    if (hop && hop.family !== target.family)
      problems.add(
        ['forward', index, 'via'],
        `an IPv${hop.family} next hop to an IPv${target.family} prefix`,
        `an IPv${target.family} address`,
      )
    const key = formatPrefix(target)
    const first = seen.get(key)
    if (first === undefined) seen.set(key, index)
    else
      problems.add(['forward', index, 'to'], `${quote(`forward.${first}`)} routes ${key} already`, 'each prefix once')
    yield
  }
}

/** Tells when no port has the name. */
export function checkPortName(view: MeshView, problems: Problems, path: Path, name: string): void {
  if (view.has('ports', name)) return
  const ports = view.names('ports')
  problems.add(path, `no port ${quote(name)}`, `one of the ports: ${listNames([...ports])}`, meant(name, ports))
}
