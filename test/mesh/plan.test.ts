// Plans: what the engine is given, ids, increments.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MeshError, mergePatch, type Mesh } from '#lib/index.js'
import { adoptMesh } from '#lib/mesh/adopt.js'
import { checkMeshSliced } from '#lib/mesh/check.js'
import { IdPool, NamedIds } from '#lib/mesh/ids.js'
import { Planner } from '#lib/mesh/plan.js'
import { Harness, mesh, read, type Plan } from './harness.js'

const pool = {
  maxPending: 1_024,
  idleTimeout: 60_000,
  maxRequests: 0,
  affinityCookie: null,
  hash: null,
  eject: { failures: 5, for: 30_000 },
}

describe('a first plan', () => {
  it('is whole, with everything resolved', async () => {
    const plan = await new Harness().apply(mesh())
    assert.deepEqual(plan, {
      generation: 1,
      base: null,
      ports: [
        {
          id: 0,
          name: 'up',
          own: ['192.0.2.1/24', 'fe80::1/64', '192.0.2.9/32'],
          config: {
            type: 'iface',
            interface: 'eth0',
            take: 'all',
            onExit: 'release',
            delivery: 'peer',
            watchdog: 200,
          },
        },
        {
          id: 1,
          name: 'lossy',
          own: ['10.0.0.1/24'],
          config: {
            type: 'fault',
            port: { type: 'memory', mtu: 1500 },
            seed: 1,
            drop: 0,
            duplicate: 0,
            reorder: 0,
            corrupt: 0,
            delay: 1000,
          },
        },
        { id: 2, name: 'host', own: [], config: { type: 'host' } },
      ],
      flows: {
        capacity: 262144,
        midstream: 'adopt',
        track: 'all',
        timeouts: {
          tcpSynSent: 30000,
          tcpSynReceived: 30000,
          tcpEstablished: 7440000,
          tcpFinWait: 120000,
          tcpCloseWait: 60000,
          tcpLastAck: 30000,
          tcpTimeWait: 120000,
          tcpClose: 10000,
          udp: 30000,
          udpAssured: 180000,
          icmp: 30000,
          fragment: 30000,
        },
        roce: { nakAlarm: 10, cnpAlarm: 1_000 },
      },
      routes: [
        { to: '10.0.0.11/32', port: 1 },
        { to: 'fd00::11/128', port: 1 },
        { to: '10.0.0.12/32', port: 1 },
        { to: '192.0.2.5/32', port: 2 },
        { to: '0.0.0.0/0', port: 0, via: '192.0.2.254' },
        { to: '192.0.2.0/24', port: 0 },
        { to: '10.0.0.0/24', port: 1 },
      ],
      workloads: [
        { id: 0, name: 'w', port: 1, addresses: ['10.0.0.11', 'fd00::11', '10.0.0.12'] },
        { id: 1, name: 'node', port: 2, addresses: ['192.0.2.5'] },
      ],
      services: {
        set: [
          {
            id: 0,
            name: 'shop',
            protocol: 'tcp',
            addresses: ['10.96.0.1', 'fd00:96::1'],
            port: 80,
            balance: 'maglev',
            affinity: 'none',
            healthCheck: { interval: 5000, timeout: 1000, healthy: 2, unhealthy: 3, jitter: 0.1 },
            maxConnections: 0,
            proxyProtocol: 'none',
            http: pool,
            endpoints: [
              { id: 0, address: '10.0.0.11', port: 8080, weight: 1, drain: false, name: 'w' },
              { id: 1, address: 'fd00::11', port: 8080, weight: 1, drain: false, name: 'w' },
              { id: 2, address: '10.0.0.99', port: 1, weight: 0, drain: false, name: '10.0.0.99:1' },
            ],
          },
          {
            id: 1,
            name: 'dns',
            protocol: 'udp',
            addresses: ['10.96.0.1'],
            port: 53,
            balance: 'roundRobin',
            affinity: 'source',
            healthCheck: null,
            maxConnections: 0,
            proxyProtocol: 'none',
            http: pool,
            endpoints: [{ id: 3, address: '10.0.0.11', port: 53, weight: 1, drain: true, name: 'w' }],
          },
        ],
        removed: [],
      },
      listeners: [],
      httpRoutes: [],
      policies: { default: 'allow', selectors: [], rules: [] },
      accessLog: null,
    })
  })

  it("leaves an interface's addresses to the engine, and own ones out of what is compared", async () => {
    const harness = new Harness()
    const iface = { type: 'iface', interface: 'eth0' }
    const [first] = (await harness.apply({ ports: { a: iface } })).ports
    const [second] = (await harness.apply({ ports: { a: { ...iface, own: ['10.0.0.1'] } } })).ports
    assert.deepEqual([first!.own, second!.own, second!.config], [null, ['10.0.0.1/32'], first!.config])
  })

  it('may be of almost nothing', async () => {
    const plan = await new Harness().apply({ ports: {} })
    assert.deepEqual([plan.ports, plan.routes, plan.workloads, plan.services], [[], [], [], { set: [], removed: [] }])
  })
})

describe('a further plan', () => {
  it('holds only what changed', async () => {
    const harness = new Harness()
    await harness.apply(mesh())
    const plan = await harness.patch({ services: { dns: { endpoints: [{ workload: 'w', port: 53 }] } } })
    assert.deepEqual([plan.generation, plan.base, plan.routes, plan.workloads], [2, 1, null, null])
    assert.equal(plan.ports.length, 3)
    assert.deepEqual(
      plan.services.set.map(({ id, name, endpoints }) => [id, name, endpoints]),
      [[1, 'dns', [{ id: 3, address: '10.0.0.11', port: 53, weight: 1, drain: false, name: 'w' }]]],
    )
    assert.deepEqual(
      (await harness.apply(mesh())).services.set.map(({ name }) => name),
      ['dns'],
      'equal parts of a new object are unchanged',
    )
    assert.deepEqual((await harness.apply(mesh())).services, { set: [], removed: [] })
  })

  it('holds the services for which a workload changed', async () => {
    const harness = new Harness()
    await harness.apply(mesh())
    const moved = await harness.patch({ workloads: { w: { addresses: ['10.0.0.11', 'fd00::22'] } } })
    assert.deepEqual(
      moved.services.set.map(({ name, endpoints }) => [name, endpoints.map(({ id, address }) => `${id} ${address}`)]),
      [['shop', ['0 10.0.0.11', '4 fd00::22', '2 10.0.0.99']]],
    )
    assert.notEqual(moved.routes, null)
    const other = await harness.patch({ workloads: { node: { labels: { a: 'b' } } } })
    assert.deepEqual(other.services, { set: [], removed: [] })
  })

  it('keeps ids while things live, wherever they stand', async () => {
    const harness = new Harness()
    await harness.apply(mesh())
    const ids = ({ services }: Plan) => services.set[0]!.endpoints.map(({ id, address }) => `${id} ${address}`)
    const patch = (...endpoints: unknown[]) =>
      harness.patch({ services: { shop: { address: '10.96.0.1', endpoints } } })
    const [a, b] = [
      { workload: 'w', port: 8080 },
      { address: '10.0.0.99', port: 1 },
    ]
    assert.deepEqual(ids(await patch({ address: '10.0.0.50', port: 1 }, b, a)), [
      '4 10.0.0.50',
      '2 10.0.0.99',
      '0 10.0.0.11',
    ])
    assert.deepEqual(
      ids(await patch({ address: '10.0.0.11', port: 8080 })),
      ['0 10.0.0.11'],
      'another way to name the same address and port',
    )
    assert.deepEqual(ids(await patch(a, b)), ['0 10.0.0.11', '5 10.0.0.99'], 'what was gone comes back as another')
    const gone = await harness.patch({
      services: { shop: null, extra: { port: 1, endpoints: [] } },
      ports: { lossy: null, third: { type: 'memory' } },
      workloads: { w: { on: 'up' } },
      forward: null,
    })
    assert.deepEqual(
      [gone.services.removed, gone.services.set.map(({ id, name }) => `${id} ${name}`)],
      [[0], ['2 extra']],
    )
    assert.deepEqual(
      gone.ports.map(({ id, name }) => `${id} ${name}`),
      ['0 up', '3 third', '2 host'],
    )
  })

  it('that is abandoned leaves nothing behind', async () => {
    const harness = new Harness()
    await harness.apply(mesh())
    const next = mergePatch(harness.planner.mesh, {
      services: { a: { port: 1, endpoints: [{ address: '10.0.0.1', port: 1 }] }, dns: null },
    }) as Mesh
    const first = read(await harness.planner.plan(next))
    harness.planner.abandon()
    assert.equal(harness.planner.generation, 1)
    assert.deepEqual(read(await harness.planner.plan(next)), first)
    await assert.rejects(harness.planner.plan(next), { code: 'ERR_FLATPROXY_INTERNAL' })
    harness.planner.abandon()
    await assert.rejects(harness.planner.plan(next, { signal: AbortSignal.abort() }), { name: 'AbortError' })
    assert.deepEqual((await harness.apply(mesh())).services, { set: [], removed: [] })
  })

  it('tells its changes', async () => {
    const planner = new Planner()
    await planner.plan(await adoptMesh(mesh()))
    planner.commit()
    const { changes } = await planner.plan(
      mergePatch(planner.mesh, {
        services: { shop: { endpoints: [{ workload: 'w', port: 8080, weight: 2 }] } },
      }) as Mesh,
    )
    assert.deepEqual(changes.map(String), [
      'services.shop.endpoints[w:8080].weight added (2)',
      'services.shop.endpoints[10.0.0.99:1] removed',
    ])
  })

  it('may be of thousands of endpoints in one service', async () => {
    const harness = new Harness()
    const endpoints = Array.from({ length: 3_000 }, (_, index) => ({
      address: `10.1.${index >> 8}.${index & 255}`,
      port: 80,
      weight: 1,
    }))
    const value = { ports: {}, services: { s: { address: '10.96.0.1', port: 80, endpoints } } }
    await harness.apply(value)
    endpoints[1_500]!.weight = 9
    const changed = (await harness.apply(value)).services.set[0]!.endpoints
    assert.deepEqual(
      changed.map(({ id, address, weight }) => [id, address, weight]),
      endpoints.map(({ address, weight }, id) => [id, address, weight]),
    )
    endpoints.splice(10, 1)
    const removed = (await harness.apply(value)).services.set[0]!.endpoints
    assert.deepEqual(
      removed.map(({ id }) => id),
      Array.from({ length: 3_000 }, (_, id) => id).filter((id) => id !== 10),
    )
  })
})

describe('ids', () => {
  it('that were freed are given out after all others, the oldest first', () => {
    const pool = new IdPool(4)
    const take = () => {
      const id = pool.take()
      pool.commit()
      return id
    }
    assert.deepEqual([take(), take(), take()], [0, 1, 2])
    pool.release(1)
    pool.release(0)
    pool.commit()
    assert.deepEqual([take(), take(), take(), take()], [3, 1, 0, undefined])
  })

  it('count only when they are committed', () => {
    const ids = new NamedIds(2)
    assert.deepEqual([...ids.assign(['a', 'b'])!.values()], [0, 1])
    ids.abandon()
    assert.deepEqual([...ids.assign(['b'])!.values()], [0])
    ids.commit()
    assert.deepEqual([...ids.assign(['c', 'b'])!.values()], [1, 0])
    ids.commit()
    assert.equal(ids.assign(['d']), undefined, 'what the same plan frees is not free yet')
    ids.abandon()
    assert.deepEqual([...ids.assign(['c', 'b'])!.values()], [1, 0])
  })

  it('that run out refuse the plan, not the proxy', async () => {
    const harness = new Harness()
    const ports = (from: number) =>
      Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`p${from + index}`, { type: 'memory' }]))
    await harness.apply({ ports: ports(0) })
    await assert.rejects(harness.apply({ ports: ports(200) }), MeshError)
    assert.equal((await harness.apply({ ports: ports(20) })).generation, 2)
  })
})

describe('a check of what changed', () => {
  it('finds what a change breaks elsewhere', async () => {
    const harness = new Harness()
    await harness.apply(mesh())
    const before = harness.planner.mesh!
    const broken = async (patch: unknown) =>
      (await checkMeshSliced(mergePatch(before, patch), before)).map(
        ({ path, message }) => `${path.join('.')}: ${message}`,
      )
    assert.deepEqual(await broken({ workloads: { w: null } }), [
      "services.shop.endpoints.0.workload: no workload 'w'",
      "services.dns.endpoints.0.workload: no workload 'w'",
    ])
    assert.deepEqual(await broken({ ports: { lossy: null } }), ["workloads.w.on: no port 'lossy'"])
    assert.deepEqual(await broken({ ports: { m: { type: 'memory', own: ['10.96.0.1'] } } }), [
      "services.shop.address.0: 10.96.0.1 is an own address of port 'm'",
      "services.dns.address: 10.96.0.1 is an own address of port 'm'",
    ])
    assert.deepEqual(await broken({ workloads: { w: { addresses: ['fd00::11'] } } }), [
      "services.dns.endpoints.0.workload: 'w' is never reached: it has no address of the service's kind",
    ])
    assert.deepEqual(await broken({ services: { dns: { port: 80, protocol: 'tcp' } } }), [
      "services.dns.address: service 'shop' has 10.96.0.1 tcp port 80 already",
    ])
    assert.deepEqual(
      await broken({
        workloads: { w: { addresses: ['10.0.0.99', 'fd00::11'] } },
        services: {
          shop: {
            endpoints: [
              { workload: 'w', port: 1 },
              { address: '10.0.0.99', port: 1, weight: 0 },
            ],
          },
        },
      }),
      ["services.shop.endpoints.0: 'endpoints.1' has its address and port already"],
    )
    assert.deepEqual(await broken({ services: { shop: { address: '10.96.0.7' } } }), [])
  })

  it('finds the same again when it is asked again', async () => {
    const before = await adoptMesh(mesh())
    const bad = mergePatch(before, { services: { dns: { endpoints: [{ workload: 'x', port: 1 }] } } })
    for (let round = 0; round < 2; round++) assert.equal((await checkMeshSliced(bad, before)).length, 1)
  })
})
