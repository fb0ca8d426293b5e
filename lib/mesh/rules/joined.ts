import { quote } from '../names.js'
import type { Problems } from '../problem.js'
import type { Steps } from '../steps.js'
import type { MeshView } from '../view.js'
import { checkPortName } from './forward.js'

/** Joined ports: in pairs, each in one; they are a link, on which flatproxy has no address and routes nothing. */
export function* checkJoined(view: MeshView, problems: Problems): Steps<void> {
  if (view.unchanged('ports', 'forward')) return
  const pairs = pairsOf(view, problems)
  yield
  if (pairs.size === 0) return
  for (const [name, outer] of view.entries('ports')) {
    if (!pairs.has(name)) continue
    const wrapped = outer.type === 'fault'
    const port = wrapped ? outer.port : outer
    if (!view.sound(port)) continue
    const path = ['ports', name, ...(wrapped ? ['port'] : [])]
    if ((port.own ?? []).length > 0)
      problems.add([...path, 'own'], 'a joined port has no addresses', 'no own addresses', "leave 'own' out")
    if (port.type === 'iface' && port.take === 'matched')
      problems.add([...path, 'take'], 'a joined port passes everything on', "'all'")
    yield
  }
  for (const [index, { on }] of view.items('forward'))
    if (pairs.has(on))
      problems.add(
        ['forward', index, 'on'],
        `${quote(on)} is joined: nothing is routed to it`,
        'a port that is not joined',
      )
}

/** The ports that are joined, with their peers. */
function pairsOf(view: MeshView, problems: Problems): Map<string, string> {
  const pairs = new Map<string, string>()
  for (const [name, outer] of view.entries('ports')) {
    if (outer.type === 'fault' && view.sound(outer.port) && outer.port.joined !== undefined)
      problems.add(['ports', name, 'port', 'joined'], 'it is the outer port that is joined', `ports.${name}.joined`)
    const { joined } = outer
    if (joined === undefined) continue
    const path = ['ports', name, 'joined']
    if (joined === name) problems.add(path, 'a port cannot be joined with itself', 'another port')
    checkPortName(view, problems, path, joined)
    for (const [a, b] of [
      [name, joined],
      [joined, name],
    ] as const) {
      const other = pairs.get(a)
      if (other !== undefined && other !== b)
        problems.add(path, `port ${quote(a)} is joined with ${quote(other)} already`, 'each port in one pair')
      pairs.set(a, b)
    }
  }
  return pairs
}
