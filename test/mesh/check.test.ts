// The check of a mesh: every problem, at its path, with a hint where one is near.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import {
  checkMesh,
  defineMesh,
  errorCodes,
  FlatProxyError,
  limits,
  MeshError,
  meshSchema,
  unsupported,
  type Mesh,
} from '#lib/index.js'
import { told } from './told.js'

const ports = { a: { type: 'memory' } }
const service = { address: '10.96.0.1', port: 80, endpoints: [{ address: '10.0.0.1', port: 8080 }] }

/** A mesh with everything in it. */
const full = {
  ports: {
    up: {
      type: 'iface',
      interface: 'eth0',
      take: 'matched',
      onExit: 'block',
      delivery: 'device',
      watchdog: '1s',
      own: ['192.0.2.1/24', 'fe80::1/64'],
      netns: 'blue',
    },
    tap: {
      type: 'tap',
      name: 'fp0',
      netns: '/proc/1/ns/net',
      addresses: ['10.0.0.2/24'],
      routes: [{ to: '0.0.0.0/0', via: '10.0.0.1' }],
      mtu: 9000,
      own: ['10.0.0.1/24'],
      queues: 2,
    },
    nic: { type: 'ethdev', devargs: 'net_af_xdp0,iface=eth1' },
    file: { type: 'pcap', read: 'a.pcap', write: 'b.pcapng' },
    bad: {
      type: 'fault',
      port: { type: 'memory', mtu: 1280 },
      seed: 7,
      drop: 0.01,
      duplicate: 0.001,
      reorder: 1,
      corrupt: 0,
      delay: '2ms',
    },
  },
  forward: [
    { to: '0.0.0.0/0', on: 'up', via: '192.0.2.254' },
    { to: 'fd00::/8', on: 'tap' },
  ],
  workloads: {
    w1: { on: 'tap', addresses: ['10.0.0.11', 'fd00::11'], labels: { app: 'shop' }, identity: 'spiffe://corp/ns/prod' },
    node: { on: 'host', addresses: ['192.0.2.1'] },
  },
  services: {
    'prod/shop': {
      address: ['10.96.0.10', 'fd00:96::10'],
      port: 80,
      protocol: 'tcp',
      balance: 'leastRequest',
      affinity: 'source',
      healthCheck: { interval: '5s', timeout: 1000, healthy: 2, unhealthy: 3, jitter: 0.1 },
      endpoints: [
        { workload: 'w1', port: 8080, weight: 0, drain: true },
        { address: '10.0.0.99', port: 8080 },
      ],
    },
    dns: { address: '10.96.0.10', port: 80, protocol: 'udp', endpoints: [] },
    api: {
      port: 80,
      balance: 'ringHash',
      hashOn: { cookie: 'user' },
      sessionAffinity: { cookie: 'sid', ttl: '1h' },
      http: { maxPending: 10, maxRequests: 1000, eject: { failures: 3 } },
      endpoints: [],
    },
    web: { port: 80, hashOn: 'source', endpoints: [] },
  },
  listeners: {
    web: {
      on: 'up',
      address: '192.0.2.1',
      port: 443,
      protocol: 'https',
      hostname: '*.example',
      tls: { certificates: [{ certificate: '/etc/a.pem', key: '/etc/a.key' }], minVersion: '1.3' },
      http: { maxHeaderBytes: 4096, idleTimeout: '30s', via: 'edge', trustedForwarded: ['10.0.0.0/8'] },
    },
  },
  routes: [
    {
      name: 'r',
      listeners: ['web'],
      hostnames: ['*.example'],
      rules: [
        {
          matches: [
            { path: { type: 'Exact', value: '/' }, method: 'GET' },
            {
              path: { type: 'RegularExpression', value: '/v[0-9]+' },
              headers: [{ name: 'X-Version', value: '2' }],
              queryParams: [{ type: 'RegularExpression', name: 'q[]', value: '.*' }],
            },
          ],
          filters: [
            { type: 'Hook', hook: 'auth', timeout: 5, onTimeout: 'deny' },
            { type: 'RequestHeaderModifier', set: { a: 'b' }, add: { B: '' }, remove: ['c'] },
            { type: 'ResponseHeaderModifier', remove: ['server'] },
            { type: 'URLRewrite', hostname: 'shop', path: { type: 'ReplaceFullPath', replaceFullPath: '/' } },
          ],
          backendRefs: [
            { service: 'prod/shop', weight: 3, filters: [{ type: 'RequestHeaderModifier', add: { x: 'y' } }] },
            { handler: 'h' },
          ],
          timeouts: { request: '1s', backendRequest: 900 },
          retry: { attempts: 2, codes: [503], backoff: '10ms', on: ['reset'] },
        },
        { filters: [{ type: 'RequestRedirect', scheme: 'https', port: 8443, statusCode: 308 }] },
        { filters: [{ type: 'DirectResponse', status: 404, headers: { 'x-a': 'b' }, body: 'no' }], backendRefs: [] },
      ],
    },
  ],
  policies: [
    {
      name: 'p',
      direction: 'egress',
      to: { labels: { app: 'shop' } },
      from: [{ workload: 'w1' }, { identity: 'spiffe://corp' }, { cidr: '10.0.0.0/8', except: ['10.9.0.0/16'] }],
      ports: [{ protocol: 'tcp', port: 1, endPort: 2 }],
      action: 'allow',
    },
  ],
  flows: { capacity: 1024, midstream: 'reject', track: 'services', timeouts: { udp: '10s' } },
}

describe('a valid mesh', () => {
  it('has no problems', () => {
    assert.deepEqual(told(full), [])
    assert.deepEqual(told({ ports: {} }), [])
    assert.deepEqual(told(JSON.parse(JSON.stringify(full))), [])
    assert.deepEqual(told(structuredClone(full)), [])
    assert.deepEqual(told({ ports, services: undefined }), [], 'undefined is absent, as in JSON')
  })

  it('is told what is not built yet', () => {
    const mesh = structuredClone(full) as unknown as Mesh
    assert.deepEqual(
      unsupported(mesh).map(({ path }) => path.join('.')),
      [
        'routes.0.rules.0.filters.0',
        'routes.0.rules.0.backendRefs.1.handler',
        'policies', // beside what takes what is matched
        'flows.track',
        'workloads.node.on',
      ],
    )
    const tcp = {
      ports,
      services: { s: service },
      listeners: { door: { address: '192.0.2.1', port: 1, protocol: 'tcp' } },
      routes: [{ name: 'r', listeners: ['door'], rules: [{ backendRefs: [{ service: 's' }] }] }],
    } as unknown as Mesh
    assert.deepEqual(unsupported(tcp), [])
    const http = {
      ports,
      services: {
        s: {
          ...service,
          balance: 'ringHash',
          sessionAffinity: { cookie: 'sid' },
          sourceAddress: 'client',
          proxyProtocol: 'v2',
        },
        tcp: { port: 80, sourceAddress: 'client', endpoints: [] },
      },
      listeners: { web: { address: '0.0.0.0/0', port: 80, protocol: 'http' } },
      routes: [
        { name: 'r', rules: [{ backendRefs: [{ service: 's' }, { service: 's' }] }] },
        { name: 'q', rules: [{ backendRefs: [{ service: 's' }, { originalDestination: true }] }] },
      ],
    } as unknown as Mesh
    assert.deepEqual(
      unsupported(http).map(({ path, message }) => [path.join('.'), message]),
      [
        [
          'routes.1.rules.0.backendRefs.1.originalDestination',
          'the original destination of requests is not supported yet',
        ],
        ['services.s.sourceAddress', "'client' for the requests of http routes is not supported yet"],
        ['services.s.proxyProtocol', 'PROXY headers for the requests of http routes are not supported yet'],
      ],
    )
    const inline = {
      ports: { a: { type: 'tap', joined: 'b' }, b: { type: 'tap' }, c: { type: 'tap' } },
      listeners: {
        any: { address: '192.0.2.1', port: 80, protocol: 'http' },
        there: { on: 'b', address: '192.0.2.1', port: 81, protocol: 'http' },
        elsewhere: { on: 'c', address: '192.0.2.1', port: 82, protocol: 'http' },
      },
    } as unknown as Mesh
    assert.deepEqual(
      unsupported(inline).map(({ path }) => path.join('.')),
      ['listeners.any', 'listeners.there'],
    )
    const faulty = { ...inline.ports, a: { type: 'fault', seed: 1, port: { type: 'tap' }, joined: 'b' } }
    assert.deepEqual(
      unsupported({ ...inline, ports: faulty } as Mesh).map(({ path }) => path.join('.')),
      ['listeners.any', 'listeners.there'],
    )
    const host = defineMesh({
      ports: { a: { type: 'iface', interface: 'eth0' } },
      workloads: { n: { on: 'host', addresses: [] } },
    })
    assert.deepEqual(unsupported(host), [])
  })
})

describe('the shape of a mesh', () => {
  const cases: [string, unknown, string[]][] = [
    ['not an object', [], [': a list is not an object']],
    ['nothing', null, [': null is not an object']],
    [
      'no ports',
      {},
      ["ports: missing | Where packets come from and go to, by name. The name 'host' is the node's own."],
    ],
    ['an unknown key', { ports, servces: {} }, ["servces: unknown key 'servces' | did you mean 'services'?"]],
    [
      'an unknown type',
      { ports: { a: { type: 'memroy' } } },
      ["ports.a.type: unknown type 'memroy' | did you mean 'memory'?"],
    ],
    ['no type', { ports: { a: {} } }, ['ports.a.type: missing']],
    [
      'a key of another type',
      { ports: { a: { type: 'memory', interface: 'eth0' } } },
      ["ports.a.interface: unknown key 'interface'"],
    ],
    ['a bad name', { ports: { 'a b': { type: 'memory' } } }, ["ports.a b: 'a b' is not a name"]],
    [
      'a name out of the prototype',
      { ports: JSON.parse('{"__proto__":{"type":"memory"}}') as unknown },
      ["ports.__proto__: '__proto__' is not a name"],
    ],
    [
      'a word',
      { ports: { a: { type: 'iface', interface: 'e', take: 'match' } } },
      ["ports.a.take: unknown value 'match' | did you mean 'matched'?"],
    ],
    [
      'a number as text',
      { ports, services: { s: { ...service, port: '80' } } },
      ["services.s.port: '80' is not a whole number from 1 to 65535 | write it without quotes: 80"],
    ],
    [
      'a port out of range',
      { ports, services: { s: { ...service, port: 65536 } } },
      ['services.s.port: 65536 is out of range'],
    ],
    [
      'half a port',
      { ports, services: { s: { ...service, port: 80.5 } } },
      ['services.s.port: 80.5 is not a whole number'],
    ],
    [
      'a boolean as text',
      { ports, services: { s: { ...service, endpoints: [{ address: '10.0.0.1', port: 1, drain: 'true' }] } } },
      ["services.s.endpoints.0.drain: 'true' is not true or false | write it without quotes: true"],
    ],
    [
      'a weight',
      { ports, services: { s: { ...service, endpoints: [{ address: '10.0.0.1', port: 1, weight: -1 }] } } },
      ['services.s.endpoints.0.weight: -1 is out of range'],
    ],
    [
      'no list',
      { ports, workloads: { w: { on: 'a', addresses: '10.0.0.1' } } },
      ["workloads.w.addresses: '10.0.0.1' is not a list | write it as a list: ['10.0.0.1']"],
    ],
    [
      'an empty list of one or many',
      { ports, services: { s: { ...service, address: [] } } },
      ['services.s.address: the list is empty'],
    ],
    [
      'an endpoint that is nobody',
      { ports, services: { s: { ...service, endpoints: [{ adress: '10.0.0.1', port: 1 }] } } },
      ["services.s.endpoints.0: has none of 'workload', 'address' | did you mean 'address'?"],
    ],
    [
      'an endpoint that is two',
      { ports, services: { s: { ...service, endpoints: [{ address: '10.0.0.1', workload: 'w', port: 1 }] } } },
      ["services.s.endpoints.0: has 'workload' and 'address'"],
    ],
    [
      'a rate',
      { ports: { a: { type: 'fault', port: { type: 'memory' }, seed: 1, drop: 1.5 } } },
      ['ports.a.drop: 1.5 is out of range'],
    ],
    [
      'no seed',
      { ports: { a: { type: 'fault', port: { type: 'memory' } } } },
      ['ports.a.seed: missing | The same seed gives the same faults.'],
    ],
    [
      'faults around faults',
      { ports: { a: { type: 'fault', seed: 1, port: { type: 'fault', seed: 1, port: { type: 'memory' } } } } },
      ["ports.a.port.type: unknown type 'fault'"],
    ],
    [
      'a duration without its unit',
      { ports: { a: { type: 'iface', interface: 'e', watchdog: '200' } } },
      [
        "ports.a.watchdog: '200' is not a duration from 100ms to 1m, such as 500 (milliseconds), '500ms' or '2s' | give it a unit: '200ms', '200s'",
      ],
    ],
    [
      'a duration out of range',
      { ports: { a: { type: 'iface', interface: 'e', watchdog: '1ms' } } },
      ["ports.a.watchdog: '1ms' is out of range"],
    ],
    [
      'a long interface name',
      { ports: { a: { type: 'iface', interface: 'sixteencharacter' } } },
      ["ports.a.interface: 'sixteencharacter' has more than 15 bytes"],
    ],
    [
      'an interface name with a slash',
      { ports: { a: { type: 'tap', name: 'a/b' } } },
      [
        "ports.a.name: 'a/b' is not the name of a network interface: 1 to 15 characters without blanks, '/', ':' and '%'",
      ],
    ],
    ['a function', { ports: { a: () => 1 } }, ["ports.a: a function is not an object with 'type'"]],
    ['a class', { ports: new Map() }, ['ports: an object is not an object']],
    ['NaN', { ports, flows: { capacity: NaN } }, ['flows.capacity: NaN is not a whole number']],
    ['too many flows', { ports, flows: { capacity: 4_194_305 } }, ['flows.capacity: 4194305 is out of range']],
    [
      'an identity',
      { ports, workloads: { w: { on: 'a', addresses: [], identity: 'corp' } } },
      ["workloads.w.identity: 'corp' is not a SPIFFE ID, such as 'spiffe://example.org/ns/prod/sa/shop'"],
    ],
  ]
  for (const [name, mesh, expected] of cases) it(`refuses ${name}`, () => assert.deepEqual(told(mesh), expected))

  it('finds everything at once, in the order of the mesh', () => {
    const mesh = {
      ports: { a: { type: 'memory', mtu: 1 }, b: {} },
      forward: [{ to: 'x', on: 'c' }],
      services: { s: { endpoints: [{ workload: 'w', port: 1 }] } },
    }
    assert.deepEqual(
      checkMesh(mesh).map(({ path }) => path.join('.')),
      ['ports.a.mtu', 'ports.b.type', 'forward.0.to', 'services.s.port'],
    )
  })

  it('survives cycles and depth', () => {
    const cycle: Record<string, unknown> = { type: 'fault', seed: 1 }
    cycle.port = cycle
    assert.deepEqual(told({ ports: { a: cycle } }), ["ports.a.port.type: unknown type 'fault'"])
  })

  it('tells no more than a bounded number', () => {
    const endpoints = Array.from({ length: 5_000 }, () => ({ address: 'x', port: 0 }))
    const problems = checkMesh({ ports, services: { s: { ...service, endpoints } } })
    assert.equal(problems.length, limits.problems + 1)
    assert.equal(problems.at(-1)!.message, 'more than 1000 problems')
  })
})

describe('errors', () => {
  it('carry a code, what to do, and the problems', () => {
    const error = new MeshError(checkMesh({}))
    assert.ok(error instanceof FlatProxyError)
    assert.equal(error.code, 'ERR_FLATPROXY_MESH')
    assert.equal(error.name, 'MeshError')
    assert.equal(error.message, 'The mesh: ports: missing')
    assert.match(error.remedy!, /flatproxy check/)
    const cause = new Error('x')
    const own = new FlatProxyError('ERR_FLATPROXY_PORT', 'no', { cause, remedy: 'modprobe tun' })
    assert.deepEqual([own.cause, own.remedy, own.code], [cause, 'modprobe tun', 'ERR_FLATPROXY_PORT'])
  })

  it('are all told', () => {
    for (const { code, meaning, remedy } of errorCodes) {
      assert.match(code, /^ERR_FLATPROXY_[A-Z_]+$/)
      assert.ok(meaning.endsWith('.') && remedy.length > 10, code)
    }
  })
})

describe('the JSON Schema', () => {
  it('is plain data and says what the check says', () => {
    assert.deepEqual(JSON.parse(JSON.stringify(meshSchema)), meshSchema)
    const { properties, required, additionalProperties } = meshSchema as {
      properties: Record<string, { description?: string }>
      required: string[]
      additionalProperties: boolean
    }
    assert.deepEqual([required, additionalProperties], [['ports'], false])
    for (const [key, { description }] of Object.entries(properties)) assert.ok(description, key)
  })

  it('is in the package', () => {
    assert.deepEqual(JSON.parse(readFileSync('dist/mesh.schema.json', 'utf8')), meshSchema)
  })
})
