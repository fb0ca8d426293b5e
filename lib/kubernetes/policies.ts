import type { Policy } from '../mesh/types.js'
import type { Field } from './field.js'
import type { K8sObject, Objects } from './objects.js'
import { nobody, podsIn, readPeers, these, type Side } from './peers.js'
import type { Pods } from './pods.js'
import { groupByPorts, readPorts, type PolicyPort } from './policy-ports.js'
import { readSelector } from './selectors.js'

/** What policies are made with. */
export interface PolicyContext {
  /** `undefined`: no port of the mesh was given for them. */
  readonly pods: Pods | undefined
  readonly from: <T extends object>(part: T, source: Field) => T
}

/** A direction of a NetworkPolicy. */
interface Direction {
  readonly key: 'ingress' | 'egress'
  readonly pods: Pods
  /** The namespace of the policy. */
  readonly home: string
  /** Whom it isolates. */
  readonly subject: Side
  /** What its policies are called, and their rules after it. */
  readonly name: string
}

/** NetworkPolicies, each as one policy or more. */
export function importPolicies(objects: Objects, context: PolicyContext): Policy[] {
  return objects.of('NetworkPolicy').flatMap((object) => readPolicy(object, context))
}

function readPolicy({ root, namespace, name }: K8sObject, { pods, from }: PolicyContext): Policy[] {
  root.ignore('status')
  if (!pods) root.refuse('Pods are behind no port of the mesh: the option workloadPort says which')
  const spec = pods && root.must('spec')
  if (!spec) return []
  const types = readTypes(spec)
  const source = spec.get('podSelector')
  const selector = readSelector(source)
  // Whom it isolates is not known.
  if (!types || source?.whole() === false) return []
  for (const pod of pods.host)
    if (pod.namespace === namespace && selector.selects(pod.labels))
      pod.source.refuse(`NetworkPolicy ${namespace}/${name} selects it, and cannot isolate what is in a node's network`)
  const subject = podsIn(pods, namespace, selector)
  return types.flatMap((key) => {
    const direction = { key, pods, home: namespace, subject, name: `${namespace}/${name}/${key}` }
    return readDirection(spec, direction, from)
  })
}

/** The directions in which it isolates; `undefined`: it cannot be said. */
function readTypes(spec: Field): Direction['key'][] | undefined {
  // What they say counts where their direction does.
  spec.ignore('ingress', 'egress')
  const list = spec.get('policyTypes')
  const types = spec.list('policyTypes').map((type) => {
    if (type.value !== 'Ingress' && type.value !== 'Egress') type.refuse('Ingress or Egress is expected here')
    return type.value
  })
  if (list?.whole() === false) return undefined
  const egress = types.length > 0 ? types.includes('Egress') : spec.list('egress').length > 0
  const ingress = types.length === 0 || types.includes('Ingress')
  return [...(ingress ? (['ingress'] as const) : []), ...(egress ? (['egress'] as const) : [])]
}

function readDirection(spec: Field, direction: Direction, from: PolicyContext['from']): Policy[] {
  const { subject, name, key } = direction
  const allowed = spec.list(key).flatMap((rule, index) => {
    const policies = readRule(rule, { ...direction, name: `${name}/${index}` })
    return policies.map((policy) => from(policy, rule))
  })
  // An allow isolates its own subject.
  const isolates = allowed.some((policy) => (key === 'ingress' ? policy.to : policy.from) === subject.peers)
  return isolates ? allowed : [from(allow(direction, { peers: [nobody] }), spec), ...allowed]
}

/** None of a rule that was not understood whole: it would allow too much. */
function readRule(rule: Field, direction: Direction): Policy[] {
  const { key, pods, home, subject, name } = direction
  const other = readPeers(rule, key === 'ingress' ? 'from' : 'to', pods, home)
  const { numbers, names } = readPorts(rule)
  // Ports are those of whom is spoken to.
  const target = key === 'ingress' ? subject : other
  if (target?.addresses) for (const { source } of names) source.refuse('addresses of an ipBlock have no ports by name')
  if (!rule.whole()) return []
  const peers = other?.peers
  if (names.length === 0) return [allow(direction, { peers, ports: numbers })]
  const groups = groupByPorts(target?.pods ?? pods.all, names)
  if (groups.length === 1 && target && groups[0]!.pods.length === target.pods.length)
    return [allow(direction, { peers, ports: [...numbers, ...groups[0]!.ports] })]
  const narrowed = groups.map((group, index) => {
    const part = { ...direction, name: `${name}:${index + 1}` }
    const list = these(group.pods)
    return key === 'ingress'
      ? allow({ ...part, subject: { ...subject, peers: list } }, { peers, ports: group.ports })
      : allow(part, { peers: list, ports: group.ports })
  })
  return numbers.length > 0 ? [allow(direction, { peers, ports: numbers }), ...narrowed] : narrowed
}

function allow(
  { key, subject, name }: Direction,
  { peers, ports = [] }: { peers: Side['peers'] | undefined; ports?: readonly PolicyPort[] },
): Policy {
  const [self, other] = key === 'ingress' ? (['to', 'from'] as const) : (['from', 'to'] as const)
  return {
    name,
    direction: key,
    action: 'allow',
    [self]: subject.peers,
    ...(peers && { [other]: peers }),
    ...(ports.length > 0 && { ports }),
  }
}
