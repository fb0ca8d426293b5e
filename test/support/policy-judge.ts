// What policies say of a flow, in obvious code: what they mean, not how fast it is found.
import assert from 'node:assert/strict'
import type { Mesh, Peer, Policy } from 'flatproxy'
import { contains, parsePrefix } from '#lib/mesh/address.js'

/** One end of a flow: the workload, if it is one, and the address. */
interface End {
  readonly name: string | undefined
  readonly address: string
}

/** A flow; `from` and `to` are names of workloads (with their first address), or addresses. */
export interface Flow {
  readonly from: string
  readonly to: string
  readonly protocol: string
  readonly port: number
}

/** Whether a flow may be opened, and the policy that decided. */
export interface Judgement {
  readonly allowed: boolean
  readonly policy: string | undefined
}

/** What the policies of a mesh say of a flow. Nothing but policies is looked at. */
export function judge(mesh: Mesh, flow: Flow): Judgement {
  const from = endOf(mesh, flow.from)
  const to = endOf(mesh, flow.to)
  const left = side(mesh, flow, 'egress', from, to)
  return left.allowed ? side(mesh, flow, 'ingress', to, from) : left
}

function side(mesh: Mesh, flow: Flow, direction: 'ingress' | 'egress', self: End, other: End): Judgement {
  const policies = (mesh.policies ?? []).filter((policy) => (policy.direction ?? 'ingress') === direction)
  const subjectOf = (policy: Policy) => (direction === 'ingress' ? policy.to : policy.from)
  const peersOf = (policy: Policy) => (direction === 'ingress' ? policy.from : policy.to)
  const about = policies.filter((policy) => isAmong(mesh, subjectOf(policy), self))
  const matching = about.filter((policy) => isAmong(mesh, peersOf(policy), other) && hasPort(policy, flow))
  const denied = matching.find(({ action }) => action === 'deny' || action === 'reject')
  if (denied) return { allowed: false, policy: denied.name }
  const isolating = about.find(({ action }) => action === 'allow')
  const allowing = matching.find(({ action }) => action === 'allow')
  return { allowed: !isolating || allowing !== undefined, policy: (allowing ?? isolating)?.name }
}

function endOf(mesh: Mesh, text: string): End {
  const named = Object.hasOwn(mesh.workloads ?? {}, text) ? mesh.workloads![text]! : undefined
  if (named) return { name: text, address: named.addresses[0]! }
  assert.ok(parsePrefix(text), `${text} is neither a workload nor an address`)
  const owner = Object.entries(mesh.workloads ?? {}).find(([, { addresses }]) => addresses.includes(text))
  return { name: owner?.[0], address: text }
}

function isAmong(mesh: Mesh, peers: Policy['to'], end: End): boolean {
  if (peers === undefined) return true
  return [peers].flat().some((peer) => is(mesh, peer, end))
}

function is(mesh: Mesh, peer: Peer, { name, address }: End): boolean {
  const workload = name === undefined ? undefined : mesh.workloads![name]!
  if ('workload' in peer) return peer.workload === name
  if ('labels' in peer)
    return (
      workload !== undefined && Object.entries(peer.labels).every(([key, value]) => workload.labels?.[key] === value)
    )
  if ('identity' in peer) return workload?.identity === peer.identity
  const within = (prefix: string) => contains(parsePrefix(prefix)!, parsePrefix(address)!)
  return [peer.cidr].flat().some(within) && !(peer.except ?? []).some(within)
}

function hasPort({ ports }: Policy, flow: Flow): boolean {
  if (ports === undefined) return true
  return ports.some(({ protocol, port, endPort }) => {
    if (protocol !== undefined && protocol !== flow.protocol) return false
    return port === undefined || (flow.port >= port && flow.port <= (endPort ?? port))
  })
}
