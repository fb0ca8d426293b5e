// Plans: listeners, those that intercept, and joined ports.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Harness, mesh } from './harness.js'
import { told } from './told.js'

describe('the listeners of a plan', () => {
  const doors = () => ({
    ...mesh(),
    listeners: {
      door: {
        on: 'up',
        address: ['192.0.2.1', 'FD00::1'],
        port: 5432,
        protocol: 'tcp',
        maxConnections: 100,
        proxyProtocol: { trusted: ['198.51.100.0/24'] },
      },
      idle: { address: '192.0.2.1', port: 1, protocol: 'tcp' },
    },
    routes: [
      {
        name: 'db',
        listeners: ['door'],
        rules: [{ backendRefs: [{ service: 'shop', weight: 3 }], timeouts: { idle: '5m' } }],
      },
    ],
  })

  it('have all that their routes say, with defaults', async () => {
    const { listeners } = await new Harness().apply(doors())
    assert.deepEqual(listeners, [
      {
        id: 0,
        name: 'door',
        addresses: ['192.0.2.1', 'fd00::1'],
        port: 5432,
        on: 0,
        backends: [{ service: 0, weight: 3 }],
        relay: { connectTimeout: 5_000, idleTimeout: 300_000, maxConnections: 100, maxConnectionsPerClient: 0 },
        trusted: ['198.51.100.0/24'],
        protocol: 'tcp',
        http: null,
      },
      {
        id: 1,
        name: 'idle',
        addresses: ['192.0.2.1'],
        port: 1,
        on: null,
        backends: [],
        relay: { connectTimeout: 5_000, idleTimeout: 3_600_000, maxConnections: 0, maxConnectionsPerClient: 0 },
        trusted: null,
        protocol: 'tcp',
        http: null,
      },
    ])
  })

  it('are there when they or their routes change, and keep their ids', async () => {
    const harness = new Harness()
    await harness.apply(doors())
    assert.equal((await harness.patch({ services: { dns: null } })).listeners, null)
    const fewer = await harness.patch({ listeners: { door: null }, routes: null })
    assert.deepEqual(
      fewer.listeners!.map(({ id, name }) => [id, name]),
      [[1, 'idle']],
    )
    const more = await harness.patch({ listeners: { new: { address: '192.0.2.1', port: 2, protocol: 'tcp' } } })
    assert.deepEqual(
      more.listeners!.map(({ id, name }) => [id, name]),
      [
        [1, 'idle'],
        [2, 'new'],
      ],
    )
  })
})

describe('a listener that ends TLS', () => {
  const pair = (name: string) => ({ certificate: `/etc/${name}.pem`, key: `/etc/${name}.key` })
  const edge = (name: string) => ({
    address: '192.0.2.1',
    port: 443,
    protocol: 'https',
    hostname: `${name}.example`,
    tls: { certificates: [pair(name)] },
  })
  const doors = {
    ...mesh(),
    listeners: { a: edge('a'), b: edge('b'), c: { ...edge('c'), port: 444, protocol: 'tls', hostname: undefined } },
  }

  it('has the certificates of all that share its place', async () => {
    const { listeners } = await new Harness().apply(doors)
    assert.deepEqual(
      listeners!.map(({ name, protocol, tls }) => [name, protocol, tls]),
      [
        ['a', 'http', { certificates: [pair('a'), pair('b')], minVersion: '1.2' }],
        ['c', 'tcp', { certificates: [pair('c')], minVersion: '1.2' }],
      ],
    )
  })
  it('is planned again though nothing has changed: its files may have', async () => {
    const harness = new Harness()
    await harness.apply(doors)
    assert.equal((await harness.apply(doors)).listeners!.length, 2)
  })
})

describe('what is intercepted', () => {
  const memory = { type: 'memory' }
  const joined = () => ({
    ports: { outer: { ...memory, joined: 'inner' }, inner: { type: 'iface', interface: 'eth0' } },
    services: { s: { port: 80, sourceAddress: 'client', endpoints: [{ address: '10.0.0.1', port: 80 }] } },
    listeners: { all: { address: ['0.0.0.0/0', 'FD00::/8', '192.0.2.1'], port: 80, protocol: 'tcp' } },
    routes: [{ name: 'r', listeners: ['all'], rules: [{ backendRefs: [{ service: 's' }] }] }],
  })

  it('is planned', async () => {
    const harness = new Harness()
    const plan = await harness.apply(joined())
    assert.deepEqual(
      plan.ports.map(({ own, peer }) => [own, peer]),
      [
        [[], 1],
        [[], 0],
      ],
    )
    const [all] = plan.listeners as unknown as { addresses: string[]; within: string[] }[]
    assert.deepEqual([all!.addresses, all!.within], [['192.0.2.1'], ['0.0.0.0/0', 'fd00::/8']])
    assert.equal((plan.services.set[0] as unknown as { source: string }).source, 'client')
    // Ports come apart while they are open.
    const apart = await harness.patch({ ports: { outer: { joined: null } } })
    assert.deepEqual(
      apart.ports.map(({ own, peer }) => [own, peer]),
      [
        [[], undefined],
        [null, undefined],
      ],
    )
    assert.deepEqual(apart.ports[0]!.config, plan.ports[0]!.config)
  })

  it('routes nothing to workloads behind joined ports, whose side is known', async () => {
    const workloads = {
      w: { on: 'inner', addresses: ['10.0.0.2', 'fd00::2'] },
      v: { on: 'third', addresses: ['10.0.1.2'] },
    }
    const mesh = { ...joined(), workloads }
    const plan = await new Harness().apply({ ...mesh, ports: { ...mesh.ports, third: memory } })
    assert.deepEqual(plan.routes, [{ to: '10.0.1.2/32', port: 2 }])
    assert.deepEqual(
      (plan.workloads as { name: string; port: number }[]).map(({ name, port }) => [name, port]),
      [
        ['w', 1],
        ['v', 2],
      ],
    )
  })

  it('may go where its client has sent it', async () => {
    const original = {
      ...joined(),
      listeners: { all: { address: '0.0.0.0/0', port: 80, protocol: 'tcp' } },
      routes: [
        {
          name: 'r',
          listeners: ['all'],
          rules: [{ backendRefs: [{ originalDestination: true, weight: 9 }, { service: 's' }] }],
        },
      ],
    }
    const { listeners } = await new Harness().apply(original)
    assert.deepEqual(listeners![0]!.backends, [
      { service: null, weight: 9 },
      { service: 0, weight: 1 },
    ])
  })

  it('is refused where it cannot be', () => {
    const listener = { port: 1, protocol: 'tcp' }
    assert.deepEqual(
      told({
        ports: { a: memory, m: { type: 'iface', interface: 'eth0', take: 'matched' } },
        listeners: {
          p: { ...listener, address: '10.0.0.1/8' },
          q: { ...listener, address: '0.0.0.0/0' },
          r: { ...listener, address: ['10.0.0.0/8', '192.0.2.1'], on: 'a', proxyProtocol: { trusted: [] } },
          s: { ...listener, address: '10.0.0.0/8' },
        },
        routes: [{ name: 'r', listeners: ['r'], rules: [{ backendRefs: [{ originalDestination: false }] }] }],
      }),
      [
        "listeners.p.address: '10.0.0.1/8' has bits beyond its length | did you mean '10.0.0.0/8'?",
        "listeners.q.address: port 'm' takes what is matched, and nothing that passes through",
        "listeners.s.address: port 'm' takes what is matched, and nothing that passes through",
        "listeners.s.address: listener 'r' has 10.0.0.0/8, port 1 already",
        'routes.0.rules.0.backendRefs.0.originalDestination: false says nothing | leave the backend out',
        "routes.0.rules.0.backendRefs.0.originalDestination: listener 'r' listens on addresses of its own",
        "routes.0.rules.0.backendRefs.0.originalDestination: listener 'r' takes PROXY headers",
      ],
    )
  })

  it('passes between ports that are nothing but joined', () => {
    assert.deepEqual(
      told({
        ports: {
          a: { ...memory, joined: 'a' },
          b: { ...memory, joined: 'cc' },
          c: { ...memory, joined: 'd', own: ['10.0.0.1/24'] },
          d: { type: 'iface', interface: 'eth0', take: 'matched' },
          e: { ...memory, joined: 'c' },
          f: { type: 'fault', seed: 1, port: { ...memory, joined: 'a' } },
        },
        forward: [{ to: '0.0.0.0/0', on: 'd' }],
      }),
      [
        'ports.a.joined: a port cannot be joined with itself',
        "ports.b.joined: no port 'cc' | did you mean 'c'?",
        "ports.e.joined: port 'c' is joined with 'd' already",
        'ports.f.port.joined: it is the outer port that is joined',
        "ports.c.own: a joined port has no addresses | leave 'own' out",
        'ports.d.take: a joined port passes everything on',
        "forward.0.on: 'd' is joined: nothing is routed to it",
      ],
    )
  })
})
