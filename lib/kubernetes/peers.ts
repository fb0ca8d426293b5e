import { contains, formatPrefix, network, parsePrefix, scopeOf, type Prefix } from '../mesh/address.js'
import type { Peer } from '../mesh/types.js'
import type { Field } from './field.js'
import { asPodLabels, inNamespace, type Pods, type PodWorkload } from './pods.js'
import { readSelector, type Labels, type Selector } from './selectors.js'

/** One side of a policy. */
export interface Side {
  readonly peers: readonly Peer[]
  /** The Pods that are among them. */
  readonly pods: readonly PodWorkload[]
  /** Whether addresses are among them, whoever has them. */
  readonly addresses: boolean
}

/** A peer that is nobody: what a policy that isolates and allows nothing has on its other side. */
export const nobody: Peer = { cidr: '0.0.0.0/0', except: ['0.0.0.0/0'] }

/** Pods of a namespace. */
export function podsIn(pods: Pods, namespace: string, selector: Selector): Side {
  return chosen(pods, [inNamespace(namespace)], (name) => name === namespace, selector)
}

/** These Pods, by name. */
export const these = (pods: readonly PodWorkload[]): Peer[] => pods.map(({ name }) => ({ workload: name }))

/**
 * The peers of a rule; `undefined`: anyone. What cannot be read is refused in `rule`.
 *
 * @param home the namespace of the policy
 */
export function readPeers(rule: Field, key: 'from' | 'to', pods: Pods, home: string): Side | undefined {
  const sides = rule.list(key).map((peer) => readPeer(peer, pods, home))
  if (sides.length === 0) return undefined
  const found = new Set(sides.flatMap((side) => side.pods))
  return {
    peers: someone(sides.flatMap(({ peers }) => peers).filter((peer) => peer !== nobody)),
    pods: [...found],
    addresses: sides.some(({ addresses }) => addresses),
  }
}

function readPeer(peer: Field, pods: Pods, home: string): Side {
  const [pod, namespace, block] = [peer.get('podSelector'), peer.get('namespaceSelector'), peer.get('ipBlock')]
  const selector = readSelector(pod)
  if (block) {
    if (pod || namespace) peer.refuse('an ipBlock stands alone')
    return { peers: [readBlock(block)], pods: [], addresses: true }
  }
  if (!pod && !namespace) peer.refuse('a podSelector, a namespaceSelector or an ipBlock is expected here')
  return namespace ? podsWhere(pods, readSelector(namespace), selector) : podsIn(pods, home, selector)
}

/** Pods of namespaces. */
function podsWhere(pods: Pods, namespaces: Selector, selector: Selector): Side {
  const isMeant = (name: string) => namespaces.selects(pods.namespaces.get(name)!)
  const equal = namespaces.equal && namespaces.equal.size > 0 ? [asPodLabels(namespaces.equal)] : undefined
  const meant = equal ?? [...pods.namespaces.keys()].filter(isMeant).map(inNamespace)
  return chosen(pods, meant, isMeant, selector)
}

/** Who is in a namespace that is meant and selected there: by labels if these say it, or else one by one. */
function chosen(
  pods: Pods,
  namespaces: readonly Labels[],
  isMeant: (namespace: string) => boolean,
  { equal, selects }: Selector,
): Side {
  const found = pods.all.filter(({ namespace, labels }) => isMeant(namespace) && selects(labels))
  const peers = equal
    ? namespaces.map((labels) => ({ labels: Object.fromEntries([...labels, ...equal]) }))
    : these(found)
  return { peers: someone(peers), pods: found, addresses: false }
}

/** A list without anyone would mean anyone. */
const someone = (peers: readonly Peer[]): readonly Peer[] => (peers.length > 0 ? peers : [nobody])

function readBlock(block: Field): Peer {
  const cidr = readPrefix(block.must('cidr'))
  const except = block.list('except').flatMap((one) => {
    const part = readPrefix(one)
    if (cidr && part && !(contains(cidr, part) && part.length > cidr.length))
      one.refuse(`${formatPrefix(part)} is no part of ${formatPrefix(cidr)}`)
    return part ?? []
  })
  if (!cidr) return nobody
  return { cidr: formatPrefix(cidr), ...(except.length > 0 && { except: except.map(formatPrefix) }) }
}

/** As Kubernetes, which takes bits beyond the length for zeros. */
function readPrefix(source: Field | undefined): Prefix | undefined {
  if (!source) return undefined
  const text = typeof source.value === 'string' && source.value.includes('/') ? source.value : ''
  const prefix = parsePrefix(text)
  if (prefix && !(prefix.family === 6 && scopeOf(prefix) === 'IPv4-mapped')) return network(prefix)
  source.refuse(`${String(source.value)} is no prefix, such as 10.0.0.0/8`)
  return undefined
}
