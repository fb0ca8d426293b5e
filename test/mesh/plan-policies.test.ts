// Plans: policies, and whom their selectors select.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { adoptMesh } from '#lib/mesh/adopt.js'
import { Planner } from '#lib/mesh/plan.js'
import type { Mesh } from '#lib/index.js'
import { Harness, read, type Plan } from './harness.js'

const shop = 'spiffe://corp/ns/prod/sa/shop'
const mesh = () => ({
  ports: { a: { type: 'memory' } },
  workloads: {
    w0: { on: 'a', addresses: ['10.0.0.1'], labels: { app: 'shop' }, identity: shop },
    w1: { on: 'a', addresses: ['10.0.0.2'], labels: { app: 'shop', track: 'beta' } },
    w2: { on: 'a', addresses: ['10.0.0.3'], labels: { app: 'pay', track: 'beta' }, identity: shop },
    bare: { on: 'a', addresses: ['10.0.0.4'] },
  } as Record<string, object>,
  policies: [] as object[],
})

/** The policies of a plan of the mesh with these. */
async function planned(...policies: object[]): Promise<NonNullable<Plan['policies']>> {
  const named = policies.map((policy, index) => ({ name: `p${index}`, action: 'allow', ...policy }))
  return (await new Harness().apply({ ...mesh(), policies: named })).policies!
}

describe('the policies of a plan', () => {
  it('are in the order of the mesh, with everything resolved', async () => {
    const plan = await new Harness().apply({
      ...mesh(),
      policyDefault: 'deny',
      policies: [
        {
          name: 'shop-ingress',
          to: { labels: { app: 'shop' } },
          from: [
            { workload: 'w2' },
            { identity: shop },
            { labels: { track: 'beta', app: 'shop' } },
            { cidr: ['10.0.0.0/8', 'FD00:0::/8'], except: ['10.9.0.0/16', '10.8.0.1'] },
          ],
          ports: [{ protocol: 'tcp', port: 8080 }, { protocol: 'icmp' }],
          action: 'allow',
        },
        { name: 'all', action: 'reject' },
        {
          name: 'beta-egress',
          direction: 'egress',
          from: { labels: { app: 'shop' } },
          to: { cidr: '192.0.2.1' },
          ports: [{ port: 53, endPort: 60 }, { protocol: '47' }],
          action: 'deny',
        },
        { name: 'out', direction: 'egress', to: { labels: { app: 'none' } }, action: 'deny' },
      ],
    })
    assert.deepEqual(plan.policies, {
      default: 'deny',
      selectors: [
        { workloads: [0, 1] },
        { workloads: [2] },
        { workloads: [0, 2] },
        { workloads: [1] },
        { cidrs: ['10.0.0.0/8', 'fd00::/8'], except: ['10.9.0.0/16', '10.8.0.1/32'] },
        { workloads: 'all' },
        { cidrs: ['192.0.2.1/32'], except: [] },
        { workloads: [] },
      ],
      rules: [
        {
          name: 'shop-ingress',
          direction: 'ingress',
          subject: [0],
          peer: [1, 2, 3, 4],
          ports: [
            { protocol: 6, first: 8080, last: 8080 },
            { protocol: 1, first: 0, last: 65_535 },
            { protocol: 58, first: 0, last: 65_535 },
          ],
          action: 'allow',
        },
        { name: 'all', direction: 'ingress', subject: [5], peer: null, ports: null, action: 'reject' },
        {
          name: 'beta-egress',
          direction: 'egress',
          subject: [0],
          peer: [6],
          ports: [
            { protocol: 6, first: 53, last: 60 },
            { protocol: 17, first: 53, last: 60 },
            { protocol: 132, first: 53, last: 60 },
            { protocol: 47, first: 0, last: 65_535 },
          ],
          action: 'deny',
        },
        { name: 'out', direction: 'egress', subject: [5], peer: [7], ports: null, action: 'deny' },
      ],
    })
  })

  it('name the ports that flows come by, which keep their ids while their names live', async () => {
    const harness = new Harness()
    const type = 'memory'
    const on = async (ports: string[], ...list: unknown[]) => {
      const policies = list.map((value, index) => ({ name: `p${index}`, action: 'deny', on: value }))
      const plan = await harness.apply({ ports: Object.fromEntries(ports.map((name) => [name, { type }])), policies })
      return { ports: plan.ports.map(({ name }) => name), on: plan.policies?.rules.map((rule) => rule.on) }
    }
    assert.deepEqual(await on(['a', 'b'], 'b', ['b', 'a']), { ports: ['a', 'b'], on: [[1], [1, 0]] })
    assert.deepEqual(await on(['c', 'b'], ['c', 'b'], 'b'), { ports: ['c', 'b'], on: [[2, 1], [1]] })
    assert.deepEqual(
      await on(['b'], ['host', 'b'], undefined),
      { ports: ['b', 'host'], on: [[3, 1], undefined] },
      "the node's own stack is a port of the plan where a policy names it",
    )
    assert.deepEqual(await on(['b'], 'b'), { ports: ['b'], on: [[1]] })
  })

  it('have VLANs as ranges', async () => {
    const list = [10, [0, { id: 100, endId: 199 }], undefined].map((vlan, index) => ({
      name: `p${index}`,
      action: 'deny',
      ...(vlan !== undefined && { vlan }),
    }))
    const plan = await new Harness().apply({ ports: { a: { type: 'memory' } }, policies: list })
    assert.deepEqual(
      plan.policies?.rules.map(({ vlans }) => vlans),
      [
        [{ first: 10, last: 10 }],
        [
          { first: 0, last: 0 },
          { first: 100, last: 199 },
        ],
        undefined,
      ],
    )
  })

  it('have counters, where they go on, which they keep while their names live', async () => {
    const harness = new Harness()
    const counters = async (...policies: object[]) =>
      (await harness.apply({ ...mesh(), policies })).policies?.rules.map((rule) => rule.counter)
    const [a, b, deny] = [
      { name: 'a', action: 'log' },
      { name: 'b', action: 'log' },
      { name: 'c', action: 'deny' },
    ]
    assert.deepEqual(await counters(a, deny, b), [0, undefined, 1])
    assert.deepEqual(await counters(b, { ...a, direction: 'egress' }), [1, 0])
    assert.deepEqual(await counters(b, { name: 'd', action: 'log' }), [1, 2], 'numbers are not given anew at once')
  })

  it('limit by what is counted, in milliseconds, with defaults filled in', async () => {
    const { rules } = await planned(
      { action: 'limit', limit: { rate: 10, of: 'flows' } },
      { action: 'limit', limit: { rate: 5, per: 'hour', of: 'bytes', burst: 9 } },
      { action: 'deny' },
    )
    assert.deepEqual(
      rules.map(({ counter, limit }) => [counter, limit]),
      [
        [0, { of: 'flows', rate: 10, interval: 1_000, burst: 10 }],
        [1, { of: 'bytes', rate: 5, interval: 3_600_000, burst: 9 }],
        [undefined, undefined],
      ],
    )
  })

  it('mirror to a port, by its id', async () => {
    const { rules } = await planned(
      { action: 'mirror', mirror: { port: 'a' } },
      { action: 'mirror', mirror: { port: 'a', snapLength: 96 } },
    )
    assert.deepEqual(
      rules.map(({ counter, mirror }) => [counter, mirror]),
      [
        [0, { port: 0, snapLength: null }],
        [1, { port: 0, snapLength: 96 }],
      ],
    )
  })

  it('stand behind the routes of requests', async () => {
    const plan = await new Harness().apply(mesh())
    assert.deepEqual(Object.keys(plan).slice(-3), ['httpRoutes', 'policies', 'accessLog'])
    assert.deepEqual(plan.policies, { default: 'allow', selectors: [], rules: [] })
  })

  it('have each selector once, however it is written', async () => {
    const { selectors, rules } = await planned(
      { to: [{ workload: 'w1' }, { labels: { app: 'shop', track: 'beta' } }] },
      {
        to: { labels: { track: 'beta', app: 'shop' } },
        from: [{ cidr: 'fd00::/8' }, { cidr: ['FD00:0::/8'], except: [] }],
      },
      { to: { labels: {} } },
      { from: { labels: {} } },
    )
    assert.deepEqual(selectors, [{ workloads: [1] }, { cidrs: ['fd00::/8'], except: [] }, { workloads: 'all' }])
    assert.deepEqual(
      rules.map(({ subject, peer }) => [subject, peer]),
      [
        [[0], null],
        [[0], [1]],
        [[2], null],
        [[2], [2]],
      ],
    )
  })

  it('tell labels apart by key and value, and names out of the prototype from labels', async () => {
    const labels: object[] = [{ a: 'bc' }, { ab: 'c' }, { toString: 'x' }, { app: 'shop', constructor: 'y' }]
    const workloads = {
      x: { on: 'a', addresses: [], labels: { a: 'bc' } },
      y: { on: 'a', addresses: [], labels: { ab: 'c', toString: 'x' } },
    }
    const policies = labels.map((wanted, index) => ({ name: `p${index}`, action: 'allow', to: { labels: wanted } }))
    const { policies: plan } = await new Harness().apply({ ...mesh(), workloads, policies })
    assert.deepEqual(plan!.selectors, [{ workloads: [0] }, { workloads: [1] }, { workloads: [] }])
    assert.deepEqual(
      plan!.rules.map(({ subject }) => subject[0]),
      [0, 1, 1, 2],
    )
  })
})

describe('the policies of a further plan', () => {
  const policies = [{ name: 'p', action: 'allow', to: { labels: { app: 'shop' } } }]

  it('are there when anything that they depend on has changed', async () => {
    const harness = new Harness()
    assert.ok((await harness.apply({ ...mesh(), policies })).policies)
    assert.equal((await harness.patch({ services: { s: { port: 1, endpoints: [] } } })).policies, null)
    assert.equal((await harness.apply({ ...mesh(), policies, services: {} })).policies, null, 'equal is unchanged')
    assert.equal((await harness.patch({ policyDefault: 'deny' })).policies!.default, 'deny')
    assert.equal((await harness.patch({ onDeny: 'keep' })).policies!.onDeny, 'keep')
    assert.equal((await harness.patch({ onDeny: null })).policies!.onDeny, undefined)
    assert.deepEqual((await harness.patch({ workloads: { w1: null } })).policies!.selectors, [{ workloads: [0] }])
    assert.ok((await harness.patch({ ports: { b: { type: 'memory' } } })).policies)
    assert.deepEqual((await harness.patch({ policies: null })).policies, { default: 'deny', selectors: [], rules: [] })
  })

  it('select by ids that stay, ascending also where names do not', async () => {
    const harness = new Harness()
    await harness.apply({ ...mesh(), policies })
    const { w0, w1, ...rest } = mesh().workloads
    const first = { new: { on: 'a', addresses: [], labels: { app: 'shop' } }, w1, ...rest, w0 }
    const plan = await harness.apply({ ...mesh(), policies, workloads: first })
    assert.deepEqual(plan.policies!.selectors, [{ workloads: [0, 1, 4] }])
    const again = [...policies, { name: 'q', action: 'deny', to: { workload: 'new' } }]
    const { workloads, policies: last } = await harness.patch({ policies: again })
    assert.equal(workloads, null, 'ids of workloads that are in force already')
    assert.deepEqual(last!.selectors, [{ workloads: [0, 1, 4] }, { workloads: [4] }])
  })
})

describe('many policies', () => {
  const many = { workloads: 1_000, policies: 10_000, groups: 100 }
  let reads = 0
  const workloads = Object.fromEntries(
    Array.from({ length: many.workloads }, (_, index) => {
      const labels = { group: `g${index % many.groups}`, all: 'yes' }
      const workload = {
        on: 'a',
        addresses: [],
        get labels() {
          return (reads++, labels)
        },
      }
      return [`w${index}`, workload]
    }),
  )
  const policies = Array.from({ length: many.policies }, (_, index) => ({
    name: `p${index}`,
    action: 'allow',
    to: { labels: { all: 'yes', group: `g${index % many.groups}` } },
    from: { labels: { group: `g${(index * 7) % many.groups}` } },
  }))
  const large = { ports: { a: { type: 'memory' } }, workloads, policies } as unknown as Mesh

  it('look at each workload a few times, not for each policy', async () => {
    reads = 0
    const planner = new Planner()
    const { policies } = read(await planner.plan(large))
    assert.equal(policies!.selectors.length, many.groups)
    assert.equal(policies!.rules.length, many.policies)
    // Once for the index, and once for those that have the rarer of two labels.
    assert.ok(reads <= 3 * many.workloads, `${reads} times`)
  })

  it('are planned in small steps', async () => {
    const mesh = await adoptMesh(large)
    const planner = new Planner()
    let [time, rests] = [0, 0]
    await planner.plan(mesh, { now: () => time++, rest: async () => void rests++ })
    // A step for each policy at least; a slice is of five under this clock.
    assert.ok(rests >= many.policies / 5, `${rests} rests`)
  })
})

describe('the policies that lanes speak of', () => {
  it('are known of what is in force, of what was before, and of what is planned', async () => {
    const harness = new Harness()
    const { planner } = harness
    const withPolicy = (name: string) => ({ ...mesh(), policies: [{ name, action: 'allow' }] })
    const known = () => [0, 1, 2, 3, 4].map((generation) => planner.policiesOf(generation)?.[0]?.name)
    await harness.apply(withPolicy('first'))
    await harness.apply(withPolicy('second'))
    assert.deepEqual(known(), [undefined, 'first', 'second', undefined, undefined])
    await planner.plan(await adoptMesh(withPolicy('refused')))
    assert.deepEqual(known(), [undefined, 'first', 'second', 'refused', undefined])
    planner.abandon()
    assert.deepEqual(known(), [undefined, 'first', 'second', undefined, undefined])
    await harness.apply(withPolicy('third'))
    assert.deepEqual(known(), [undefined, undefined, 'second', 'third', undefined])
  })
})
