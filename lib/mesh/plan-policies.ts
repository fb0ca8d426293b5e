import { roceClasses, type RoceClass } from '../roce.js'
import type { PlanText } from './plan-text.js'
import { portedProtocols, protocolsOf } from './protocols.js'
import type { WideMesh } from './schema/mesh.js'
import { lastQueuePair } from './schema/policies.js'
import { everyWorkload, SelectorTable } from './selectors.js'
import type { Steps } from './steps.js'
import { listOf } from './view.js'
import { WorkloadIndex } from './workload-index.js'

type WidePolicy = NonNullable<WideMesh['policies']>[number]
type WideVlans = Exclude<WidePolicy['vlan'], undefined | readonly unknown[]>
type WidePolicyPort = NonNullable<WidePolicy['ports']>[number]

/** Flows to ports from `first` to `last` of one IP protocol; of one without ports all are from 0 to 65535. */
interface PlannedPolicyPort {
  readonly protocol: number
  readonly first: number
  readonly last: number
}

type Ids = ReadonlyMap<string, number>

const goingOn: ReadonlySet<string> = new Set(['log', 'limit', 'mirror'])

/** The names of policies that have counters of their own: those that neither allow nor deny. */
export function* countedPolicies(mesh: WideMesh): Generator<string> {
  for (const { name, action } of mesh.policies ?? []) if (goingOn.has(action)) yield name
}

/** RoCEv2 to queue pairs from `first` to `last`. */
interface PlannedRoce {
  readonly opcodes: readonly RoceClass[]
  readonly first: number
  readonly last: number
}

/**
 * Writes the policies, in the order of the mesh: `{ default, onDeny?, selectors, rules: [{ name, direction, subject, peer, ports,
 * action, on?, vlans?, counter?, limit?, mirror? }] }`. `subject` and `peer` are indices of selectors (SelectorTable says what these are); `peer` null:
 * anyone; `ports` null: all; `on`: ids of ports, absent: all; `vlans`: `[{ first, last }]`, absent: all; `counter`: the id of its counters, if it has any; `limit`: `{ of, rate,
 * interval, burst }` of one that limits, with defaults filled in; `mirror`: `{ port, snapLength }` of one that mirrors.
 *
 * @param ids of all workloads and ports, and of the counters of policies, by name
 */
export function* writePolicies(
  mesh: WideMesh,
  ids: { readonly ports: Ids; readonly workloads: Ids; readonly policies: Ids },
  text: PlanText,
): Steps<void> {
  const selectors = new SelectorTable(new WorkloadIndex(mesh.workloads ?? {}, ids.workloads))
  const rules: string[] = []
  for (const policy of mesh.policies ?? []) {
    const counter = ids.policies.get(policy.name)
    const { port, snapLength = null } = policy.mirror ?? {}
    const mirror = port === undefined ? undefined : { port: ids.ports.get(port)!, snapLength }
    const on = policy.on && listOf(policy.on).map((name) => ids.ports.get(name)!)
    const vlans = policy.vlan === undefined ? undefined : listOf(policy.vlan).map(vlansOf)
    rules.push(JSON.stringify({ ...(yield* planPolicy(policy, selectors)), on, vlans, counter, mirror }))
    yield
  }
  const { policyDefault = 'allow', onDeny } = mesh
  text.add(`${JSON.stringify({ default: policyDefault, onDeny }).slice(0, -1)},"selectors":`)
  yield* writeList(selectors.texts, text)
  text.add(',"rules":')
  yield* writeList(rules, text)
  text.add('}')
}

function* planPolicy(policy: WidePolicy, selectors: SelectorTable): Steps<object> {
  const { name, direction = 'ingress', to, from, ports, action } = policy
  const [about, others] = direction === 'ingress' ? [to, from] : [from, to]
  const subject = yield* selectors.indicesOf(listOf(about ?? everyWorkload))
  const peer = others === undefined ? null : yield* selectors.indicesOf(listOf(others))
  const limit = action === 'limit' ? planLimit(policy.limit!) : undefined
  return { name, direction, subject, peer, ports: ports?.flatMap(planPort) ?? null, action, limit }
}

const intervals = { second: 1_000, minute: 60_000, hour: 3_600_000 } as const

function planLimit({ of, rate, per = 'second', burst = rate }: NonNullable<WidePolicy['limit']>): object {
  return { of, rate, interval: intervals[per], burst }
}

function planPort(ports: WidePolicyPort): (PlannedPolicyPort | PlannedRoce)[] {
  const { protocol, port, endPort } = ports
  if (protocol === 'roce') return [planRoce(ports)]
  const protocols = protocol === undefined ? portedProtocols : protocolsOf(protocol)!
  const [first, last] = port === undefined ? [0, 65_535] : [port, endPort ?? port]
  return protocols.map((number) => ({ protocol: number, first, last }))
}

function planRoce({ qp, endQp, opcodes = roceClasses }: WidePolicyPort): PlannedRoce {
  return { opcodes, first: qp ?? 0, last: endQp ?? qp ?? lastQueuePair }
}

/** The VLANs from `first` to `last` that a policy names at once. */
export function vlansOf(named: WideVlans): { readonly first: number; readonly last: number } {
  return typeof named === 'number' ? { first: named, last: named } : { first: named.id, last: named.endId }
}

/** Writes a list of what is JSON already. */
function* writeList(items: readonly string[], text: PlanText): Steps<void> {
  text.add('[')
  for (const [index, item] of items.entries()) {
    text.add(index > 0 ? `,${item}` : item)
    if (index % 64 === 63) yield
  }
  text.add(']')
}
