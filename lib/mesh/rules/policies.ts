import { contains, parsePrefix } from '../address.js'
import { limits } from '../limits.js'
import { quote } from '../names.js'
import { vlansOf } from '../plan-policies.js'
import type { Path, Problems } from '../problem.js'
import { portedProtocols, protocolsOf } from '../protocols.js'
import type { WideMesh } from '../schema/mesh.js'
import { lastQueuePair, lastVlan } from '../schema/policies.js'
import { everyWorkload, selectorKey, type WidePeer } from '../selectors.js'
import type { Steps } from '../steps.js'
import { listOf, type MeshView } from '../view.js'
import { checkPortName } from './forward.js'
import { checkName, checkUnique } from './named.js'

type WidePolicy = NonNullable<WideMesh['policies']>[number]
type WidePolicyPort = NonNullable<WidePolicy['ports']>[number]

/** Policies: how many; no name stands twice; their workloads and ports exist; ports, ranges and exceptions make sense. */
export function* checkPolicies(view: MeshView, problems: Problems): Steps<void> {
  const sameNames = view.sameNames('workloads') && view.sameNames('ports')
  if (view.unchanged('policies') && sameNames) return
  const count = view.count('policies')
  if (count > limits.policies) problems.add(['policies'], `${count} policies`, `at most ${limits.policies} policies`)
  yield* checkUnique(view, problems, 'policies')
  for (const [index, policy] of view.items('policies')) {
    yield
    if (view.kept('policies', index) && sameNames) continue
    const path = ['policies', index]
    checkAction(problems, path, policy)
    if (view.sound(policy.mirror)) checkPortName(view, problems, [...path, 'mirror', 'port'], policy.mirror!.port)
    checkArrivals(view, problems, [...path, 'on'], policy.on)
    checkVlans(view, problems, [...path, 'vlan'], policy.vlan)
    yield* checkPeers(view, problems, [...path, 'to'], policy.to)
    yield* checkPeers(view, problems, [...path, 'from'], policy.from)
    for (const [at, ports] of (policy.ports ?? []).entries())
      if (view.sound(ports)) checkPolicyPort(problems, [...path, 'ports', at], ports)
  }
  yield* checkSelectors(view, problems)
}

/** An action has the field that is named as it is, if there is one. */
function checkAction(problems: Problems, path: Path, policy: WidePolicy): void {
  for (const field of ['limit', 'mirror'] as const) {
    const asked = policy.action === field
    if (asked === (policy[field] !== undefined)) continue
    if (asked) problems.add(path, `action ${quote(field)} without ${quote(field)}`, quote(field))
    else
      problems.add(
        [...path, field],
        `${quote(field)} with action ${quote(policy.action)}`,
        `action ${quote(field)}, or no ${quote(field)}`,
      )
  }
}

/** The ports that flows come by: there are such, and none stands twice. */
function checkArrivals(view: MeshView, problems: Problems, path: Path, on: WidePolicy['on']): void {
  const names = listOf(on)
  for (const [index, name] of names.entries()) {
    const at = Array.isArray(on) ? [...path, index] : path
    if (names.indexOf(name) < index) problems.add(at, `${quote(name)} stands twice`, 'each port once')
    else if (name !== 'host') checkPortName(view, problems, at, name)
  }
}

/** VLANs: ranges go upwards, and none stands twice. */
function checkVlans(view: MeshView, problems: Problems, path: Path, vlan: WidePolicy['vlan']): void {
  const seen = new Set<number>()
  for (const [index, named] of listOf(vlan).entries()) {
    if (typeof named === 'object' && !view.sound(named)) continue
    const at = Array.isArray(vlan) ? [...path, index] : path
    const { first, last } = vlansOf(named)
    if (last < first) problems.add([...at, 'endId'], `${last} is below 'id', ${first}`, `from ${first} to ${lastVlan}`)
    let id = first
    while (id <= last && !seen.has(id)) seen.add(id++)
    if (id <= last) problems.add(at, `${id} stands twice`, 'each VLAN once')
  }
}

function* checkPeers(view: MeshView, problems: Problems, path: Path, peers: WidePolicy['to']): Steps<void> {
  for (const [index, peer] of listOf(peers).entries()) {
    if (index % 64 === 63) yield
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

function checkPolicyPort(problems: Problems, path: Path, ports: WidePolicyPort): void {
  const { protocol, port, endPort } = ports
  checkRoce(problems, path, ports)
  if (protocol === undefined && port === undefined && endPort === undefined)
    problems.add(
      path,
      'selects nothing',
      "'protocol', 'port', or both",
      "leave 'ports' out for all protocols and ports",
    )
  if (protocol === 'roce') return
  if (port !== undefined && protocol !== undefined && !portedProtocols.includes(protocolsOf(protocol)![0]!))
    problems.add([...path, 'port'], `protocol ${quote(protocol)} has no ports`, "'port' with tcp, udp or sctp")
  if (endPort === undefined) return
  const at = [...path, 'endPort']
  if (port === undefined) problems.add(at, "'endPort' without 'port'", "'port', the first of the range")
  else if (endPort < port) problems.add(at, `${endPort} is below 'port', ${port}`, `from ${port} to 65535`)
}

/** Queue pairs and opcodes, which RoCEv2 has in place of ports. */
function checkRoce(problems: Problems, path: Path, { protocol, port, endPort, qp, endQp, opcodes }: WidePolicyPort) {
  const given = protocol === 'roce' ? { port, endPort } : { qp, endQp, opcodes }
  for (const [key, value] of Object.entries(given))
    if (value !== undefined)
      problems.add(
        [...path, key],
        protocol === 'roce' ? 'roce has queue pairs, and no ports' : `'${key}' is of roce alone`,
        protocol === 'roce' ? "'qp' in place of it" : "'protocol' roce with it",
      )
  if (protocol !== 'roce' || endQp === undefined) return
  const at = [...path, 'endQp']
  if (qp === undefined) problems.add(at, "'endQp' without 'qp'", "'qp', the first of the range")
  else if (endQp < qp) problems.add(at, `${endQp} is below 'qp', ${qp}`, `from ${qp} to ${lastQueuePair}`)
}

/** Distinct selectors are told apart only where there may be too many. */
function* checkSelectors(view: MeshView, problems: Problems): Steps<void> {
  let most = 1
  for (const [, { to, from }] of view.items('policies')) most += listOf(to).length + listOf(from).length
  if (most <= limits.selectors) return
  const keys = new Set<string>()
  for (const [, policy] of view.items('policies')) {
    for (const peer of selectorsOf(policy)) {
      if (view.sound(peer)) keys.add(selectorKey(peer))
      if (keys.size % 64 === 63) yield
    }
    yield
  }
  if (keys.size > limits.selectors)
    problems.add(
      ['policies'],
      `${keys.size} distinct selectors`,
      `at most ${limits.selectors} distinct selectors of all policies together`,
    )
}

function* selectorsOf({ direction, to, from }: WidePolicy): Generator<WidePeer> {
  if ((direction === 'egress' ? from : to) === undefined) yield everyWorkload
  yield* listOf(to)
  yield* listOf(from)
}
