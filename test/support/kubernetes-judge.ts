// What NetworkPolicies say of a flow, read from their specification alone: beside it, what they are imported as is judged.
import { contains, parsePrefix } from '#lib/mesh/address.js'

type Labels = Readonly<Record<string, string>>

interface Expression {
  key: string
  operator: string
  values?: readonly string[]
}

export interface Selector {
  matchLabels?: Labels
  matchExpressions?: readonly Expression[]
}

export interface Peer {
  podSelector?: Selector
  namespaceSelector?: Selector
  ipBlock?: { cidr: string; except?: readonly string[] }
}

export interface Port {
  protocol?: string
  port?: number | string
  endPort?: number
}

export interface Rule {
  from?: readonly Peer[]
  to?: readonly Peer[]
  ports?: readonly Port[]
}

/** A NetworkPolicy. */
export interface NetworkPolicy {
  namespace: string
  podSelector: Selector
  policyTypes?: readonly string[]
  ingress?: readonly Rule[]
  egress?: readonly Rule[]
}

/** An end of a flow: a Pod, or else an address alone. */
export interface End {
  address: string
  pod?: { namespace: string; labels: Labels; namespaceLabels: Labels; ports: Readonly<Record<string, number>> }
}

export interface Attempt {
  from: End
  to: End
  protocol: string
  port: number
}

/** Whether a flow may be opened. */
export function passes(policies: readonly NetworkPolicy[], flow: Attempt): boolean {
  return leaves(policies, flow) && enters(policies, flow)
}

function leaves(policies: readonly NetworkPolicy[], flow: Attempt): boolean {
  const isolating = policies.filter(
    (policy) =>
      isSubject(policy, flow.from) &&
      (policy.policyTypes ? policy.policyTypes.includes('Egress') : policy.egress?.length),
  )
  if (isolating.length === 0) return true
  return isolating.some(({ namespace, egress = [] }) =>
    egress.some(({ to, ports }) => isAnyOf(to, flow.to, namespace) && hasPort(ports, flow)),
  )
}

function enters(policies: readonly NetworkPolicy[], flow: Attempt): boolean {
  const isolating = policies.filter(
    (policy) => isSubject(policy, flow.to) && (policy.policyTypes ? policy.policyTypes.includes('Ingress') : true),
  )
  if (isolating.length === 0) return true
  return isolating.some(({ namespace, ingress = [] }) =>
    ingress.some(({ from, ports }) => isAnyOf(from, flow.from, namespace) && hasPort(ports, flow)),
  )
}

function isSubject({ namespace, podSelector }: NetworkPolicy, { pod }: End): boolean {
  return pod !== undefined && pod.namespace === namespace && selects(podSelector, pod.labels)
}

function isAnyOf(peers: readonly Peer[] | undefined, end: End, home: string): boolean {
  return peers === undefined || peers.length === 0 || peers.some((peer) => is(peer, end, home))
}

function is({ podSelector, namespaceSelector, ipBlock }: Peer, { pod, address }: End, home: string): boolean {
  const within = (prefix: string) => contains(parsePrefix(prefix)!, parsePrefix(address)!)
  if (ipBlock) return within(ipBlock.cidr) && !(ipBlock.except ?? []).some(within)
  if (!pod) return false
  const there = namespaceSelector ? selects(namespaceSelector, pod.namespaceLabels) : pod.namespace === home
  return there && selects(podSelector ?? {}, pod.labels)
}

function selects({ matchLabels = {}, matchExpressions = [] }: Selector, labels: Labels): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const there = Object.hasOwn(labels, key)
      if (operator === 'Exists') return there
      if (operator === 'DoesNotExist') return !there
      return operator === 'In' ? there && values.includes(labels[key]!) : !there || !values.includes(labels[key]!)
    })
  )
}

function hasPort(ports: readonly Port[] | undefined, { to, protocol, port }: Attempt): boolean {
  if (ports === undefined || ports.length === 0) return true
  return ports.some((one) => {
    if ((one.protocol ?? 'TCP') !== protocol) return false
    if (typeof one.port === 'string') return to.pod?.ports[`${protocol} ${one.port}`] === port
    return one.port === undefined || (port >= one.port && port <= (one.endPort ?? one.port))
  })
}
