// NetworkPolicies drawn at random: what they are imported as lets pass what they themselves do.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { parse } from 'yaml'
import type { Mesh } from 'flatproxy'
import {
  passes,
  type End,
  type NetworkPolicy,
  type Peer,
  type Port,
  type Selector,
} from '../support/kubernetes-judge.js'
import { cluster, importSpecs } from '../support/network-policies.js'
import { judge } from '../support/policy-judge.js'

const sets = 150

/** Draws, each run the same (a linear congruential generator). */
class Draw {
  private state: number

  constructor(seed: number) {
    this.state = seed
  }

  below(count: number): number {
    this.state = (Math.imul(this.state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((this.state / 2 ** 32) * count)
  }

  of<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!
  }

  list<T>(most: number, one: () => T): T[] {
    return Array.from({ length: this.below(most + 1) }, one)
  }
}

const podKeys = { app: ['web', 'api', 'db'], tier: ['front', 'back'], role: ['db'] }
const namespaceKeys = { team: ['shop', 'data'], env: ['prod', 'test'], 'kubernetes.io/metadata.name': ['shop', 'lab'] }

function selector(draw: Draw, keys: Readonly<Record<string, readonly string[]>>): Selector {
  const [key, value] = draw.of(
    Object.entries(keys).flatMap(([key, values]) => values.map((value) => [key, value] as const)),
  )
  const values = [value, ...draw.list(1, () => draw.of(keys[key]!))]
  const expressions = [
    { key, operator: 'In', values },
    { key, operator: 'NotIn', values },
    { key, operator: 'Exists' },
    { key, operator: 'DoesNotExist' },
  ]
  return draw.of<Selector>([
    {},
    { matchLabels: { [key]: value } },
    { matchExpressions: [draw.of(expressions)] },
    { matchLabels: { [key]: value }, matchExpressions: [draw.of(expressions)] },
  ])
}

const blocks = [
  { cidr: '10.0.0.0/16', except: ['10.0.1.0/24'] },
  { cidr: '0.0.0.0/0' },
  { cidr: '198.51.100.0/24', except: ['198.51.100.7/32'] },
]

function peer(draw: Draw): Peer {
  return draw.of<() => Peer>([
    () => ({ podSelector: selector(draw, podKeys) }),
    () => ({ namespaceSelector: selector(draw, namespaceKeys) }),
    () => ({ podSelector: selector(draw, podKeys), namespaceSelector: selector(draw, namespaceKeys) }),
    () => ({ ipBlock: draw.of(blocks) }),
  ])()
}

const numbers: Port[] = [
  { port: 8080 },
  { port: 8080, endPort: 8081 },
  { protocol: 'UDP' },
  { protocol: 'UDP', port: 53 },
  {},
]
const named: Port[] = [{ port: 'http' }, { port: 'pg' }, { port: 'dns', protocol: 'UDP' }]

function rule(draw: Draw, key: 'from' | 'to') {
  const peers = draw.list(2, () => peer(draw))
  // Addresses have no ports by name.
  const ports = key === 'to' && peers.some(({ ipBlock }) => ipBlock) ? numbers : [...numbers, ...named]
  return { ...(draw.below(4) > 0 && { [key]: peers }), ports: draw.list(2, () => draw.of(ports)) }
}

function policy(draw: Draw): NetworkPolicy {
  const types = draw.of([undefined, ['Ingress'], ['Egress'], ['Ingress', 'Egress']])
  return {
    namespace: draw.of(['shop', 'shop', 'data', 'lab']),
    podSelector: selector(draw, podKeys),
    ...(types && { policyTypes: types }),
    ingress: draw.list(2, () => rule(draw, 'from')),
    egress: draw.list(2, () => rule(draw, 'to')),
  }
}

interface Item {
  kind: string
  metadata: { name: string; namespace: string; labels?: Record<string, string> }
  spec: { containers: { ports?: { name: string; containerPort: number; protocol?: string }[] }[] }
}

/** The workloads of a mesh as the file of the cluster describes them, and addresses beside them. */
function ends(mesh: Mesh): End[] {
  const { items } = parse(readFileSync(cluster, 'utf8')) as { items: Item[] }
  const pods = items.flatMap(({ kind, metadata: { namespace, name, labels = {} }, spec }) => {
    const workload = kind === 'Pod' ? mesh.workloads![`${namespace}/${name}`] : undefined
    const described = items.find(({ kind, metadata }) => kind === 'Namespace' && metadata.name === namespace)
    const ports = (spec?.containers ?? []).flatMap((container) => container.ports ?? [])
    return workload === undefined
      ? []
      : {
          address: workload.addresses[0]!,
          pod: {
            namespace,
            labels,
            namespaceLabels: { ...described?.metadata.labels, 'kubernetes.io/metadata.name': namespace },
            ports: Object.fromEntries(
              ports.map(({ protocol = 'TCP', name, containerPort }) => [`${protocol} ${name}`, containerPort]),
            ),
          },
        }
  })
  return [...pods, ...['198.51.100.7', '198.51.100.8', '10.0.5.5'].map((address) => ({ address }))]
}

const doors = ['TCP 8080', 'TCP 8081', 'TCP 5432', 'TCP 9', 'UDP 53', 'UDP 8080']

describe('NetworkPolicies drawn at random', () => {
  it('let pass what they say', async () => {
    let denied = 0
    let flows = 0
    for (let seed = 1; seed <= sets; seed++) {
      const draw = new Draw(seed)
      const policies = [policy(draw), ...draw.list(2, () => policy(draw))]
      const mesh = await importSpecs(
        Object.fromEntries(policies.map(({ namespace, ...spec }, index) => [`${namespace}/p${index}`, spec])),
      )
      const all = ends(mesh)
      for (const from of all)
        for (const to of all)
          for (const door of doors) {
            const [protocol, number] = door.split(' ')
            const port = Number(number)
            const expected = passes(policies, { from, to, protocol: protocol!, port })
            const { allowed } = judge(mesh, {
              from: from.address,
              to: to.address,
              protocol: protocol!.toLowerCase(),
              port,
            })
            if (allowed !== expected)
              assert.fail(
                `set ${seed}, ${from.address} to ${to.address} ${door}: ${expected} in ${JSON.stringify(policies)}`,
              )
            flows++
            if (!expected) denied++
          }
    }
    assert.ok(denied > flows / 20 && denied < (flows * 19) / 20, `${denied} of ${flows} are denied`)
  })
})
