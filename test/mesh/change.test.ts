// Changes of a mesh: differences, patches, copies that share what is equal.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { defineMesh, diff, mergePatch, type Mesh } from '#lib/index.js'
import { adoptMesh } from '#lib/mesh/adopt.js'

const mesh = (): Mesh =>
  defineMesh({
    ports: { a: { type: 'memory' }, b: { type: 'memory' } },
    forward: [{ to: '10.0.0.0/8', on: 'a' }],
    workloads: { w: { on: 'a', addresses: ['10.0.0.1'], labels: { app: 'x' } } },
    services: {
      shop: {
        address: ['10.96.0.1'],
        port: 80,
        endpoints: [
          { workload: 'w', port: 8080 },
          { address: '10.0.0.2', port: 8080 },
          { address: 'fd00::2', port: 8080 },
        ],
      },
      beta: { port: 81, endpoints: [] },
    },
    routes: [
      { name: 'r1', rules: [] },
      { name: 'r2', rules: [{ backendRefs: [{ service: 'shop' }] }] },
    ],
    policies: [{ name: 'p', action: 'deny' }],
  })

const words = (patch: unknown, from: Mesh = mesh()) => diff(from, mergePatch(from, patch) as Mesh).map(String)

describe('diff', () => {
  it('is empty for equal meshes', () => assert.deepEqual(diff(mesh(), mesh()), []))

  it('names endpoints by who they are', () => {
    const [workload, address, v6] = mesh().services!.shop!.endpoints
    const endpoints = (...list: unknown[]) => words({ services: { shop: { endpoints: list } } })
    assert.deepEqual(endpoints(workload, { ...address, weight: 5 }, v6), [
      'services.shop.endpoints[10.0.0.2:8080].weight added (5)',
    ])
    assert.deepEqual(endpoints({ ...workload, drain: true }, v6), [
      'services.shop.endpoints[w:8080].drain added (true)',
      'services.shop.endpoints[10.0.0.2:8080] removed',
    ])
    assert.deepEqual(endpoints(workload, address), ['services.shop.endpoints[[fd00::2]:8080] removed'])
    assert.deepEqual(endpoints(workload, address, v6, { address: '10.0.0.3', port: 1 }), [
      'services.shop.endpoints[10.0.0.3:1] added',
    ])
    assert.deepEqual(endpoints(address, workload, v6), ['services.shop.endpoints changed: the order alone'])
  })

  it('says what changed, from what to what', () => {
    const changes = diff(
      mesh(),
      mergePatch(mesh(), {
        services: {
          shop: { port: 8000, address: ['10.96.0.2', '10.96.0.3'], balance: 'roundRobin' },
          beta: null,
          gamma: { port: 1, endpoints: [] },
        },
      }) as Mesh,
    )
    assert.deepEqual(
      changes.map(({ path, kind }) => `${kind} ${path}`),
      [
        'changed services.shop.address',
        'changed services.shop.port',
        'added services.shop.balance',
        'removed services.beta',
        'added services.gamma',
      ],
    )
    assert.deepEqual(changes.map(String), [
      "services.shop.address changed from '10.96.0.1' to '10.96.0.2', '10.96.0.3'",
      'services.shop.port changed from 80 to 8000',
      "services.shop.balance added ('roundRobin')",
      'services.beta removed',
      'services.gamma added',
    ])
  })

  it('names routes, policies and L3 routes', () => {
    assert.deepEqual(
      words({
        routes: [mesh().routes![1]],
        policies: [{ name: 'p', action: 'allow' }],
        policyDefault: 'deny',
        forward: [{ to: '10.0.0.0/8', on: 'b' }],
      }),
      [
        "forward[10.0.0.0/8].on changed from 'a' to 'b'",
        'routes[r1] removed',
        "policies[p].action changed from 'deny' to 'allow'",
        "policyDefault added ('deny')",
      ],
    )
  })
})

describe('the ports of a policy', () => {
  it('are told as they were and as they are', () => {
    const by = (on?: string | string[]) => ({ policies: [{ name: 'p', action: 'deny', ...(on && { on }) }] })
    const from = { ...mesh(), ...by('a') } as Mesh
    assert.deepEqual(words(by(['b', 'host']), from), ["policies[p].on changed from 'a' to 'b', 'host'"])
    assert.deepEqual(words(by(), from), ["policies[p].on removed ('a')"])
  })
})

describe('the VLANs of a policy', () => {
  it('are told as they were and as they are', () => {
    const of = (vlan?: unknown) => ({ policies: [{ name: 'p', action: 'deny', ...(vlan !== undefined && { vlan }) }] })
    const from = { ...mesh(), ...of(10) } as unknown as Mesh
    assert.deepEqual(words(of([10, 0]), from), ['policies[p].vlan changed from 10 to 10, 0'])
    assert.deepEqual(words(of({ id: 10, endId: 19 }), from), ['policies[p].vlan changed from 10 to an object'])
    assert.deepEqual(words(of(), from), ['policies[p].vlan removed (10)'])
  })
})

describe('mergePatch', () => {
  // RFC 7396, appendix A.
  const examples: [target: unknown, patch: unknown, result: unknown][] = [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{ a: 'b' }, ['c'], ['c']],
    [{ a: 'foo' }, null, null],
    [{ a: 'foo' }, 'bar', 'bar'],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ]
  it('does what RFC 7396 says', () => {
    for (const [target, patch, result] of examples) assert.deepEqual(mergePatch(target, patch), result)
  })

  it('changes nothing that it is given, and shares what stays', async () => {
    const before = await adoptMesh(mesh())
    const copy = structuredClone(before)
    const after = mergePatch(before, { services: { beta: { port: 82 } } }) as Mesh
    assert.deepEqual(before, copy)
    assert.equal(after.services!.beta!.port, 82)
    assert.equal(after.services!.shop, before.services!.shop)
    assert.equal(after.ports, before.ports)
    assert.ok(Object.isFrozen(after) && Object.isFrozen(after.services) && Object.isFrozen(after.services!.beta))
  })

  it('is the target itself when nothing changes', async () => {
    const before = await adoptMesh(mesh())
    for (const patch of [{}, { services: {} }, { services: { none: null } }, structuredClone(before)])
      assert.equal(mergePatch(before, patch), before)
  })

  it('shares equal items of replaced lists, also when some are added or removed', async () => {
    const before = await adoptMesh(mesh())
    const list = before.services!.shop!.endpoints
    const [a, b, c] = structuredClone(list)
    const patched = (...endpoints: unknown[]) =>
      (mergePatch(before, { services: { shop: { endpoints } } }) as Mesh).services!.shop!.endpoints
    assert.deepEqual(
      patched(a, { ...b, weight: 2 }, c).map((item) => list.indexOf(item)),
      [0, -1, 2],
    )
    assert.deepEqual(
      patched(a, c).map((item) => list.indexOf(item)),
      [0, 2],
    )
    assert.deepEqual(
      patched({ address: '10.9.9.9', port: 1 }, a, b, c).map((item) => list.indexOf(item)),
      [-1, 0, 1, 2],
    )
  })

  it('treats __proto__ as data', () => {
    const patched = mergePatch({}, JSON.parse('{"__proto__":{"polluted":true}}')) as object
    assert.deepEqual(Object.keys(patched), ['__proto__'])
    assert.equal(Object.getPrototypeOf(patched), Object.prototype)
    assert.equal(({} as { polluted?: boolean }).polluted, undefined)
  })

  it('ends for cycles', () => {
    const cycle: Record<string, unknown> = {}
    cycle.a = cycle
    assert.ok(mergePatch({}, cycle))
  })
})

describe('an adopted mesh', () => {
  it('is a frozen copy, without what is undefined', async () => {
    const own = { ports: { a: { type: 'memory', mtu: undefined } } }
    const adopted = await adoptMesh(own)
    own.ports.a.type = 'tap'
    assert.deepEqual(adopted, { ports: { a: { type: 'memory' } } })
    assert.ok(Object.isFrozen(adopted.ports.a))
  })

  it('shares what equals the previous one, however it was built', async () => {
    const before = await adoptMesh(mesh())
    assert.equal(await adoptMesh(mesh(), before), before)
    const other = mesh() as { services: Record<string, { port: number }> } & Mesh
    other.services.beta!.port = 1
    const after = await adoptMesh(other, before)
    assert.notEqual(after, before)
    assert.equal(after.services!.shop, before.services!.shop)
    assert.equal(after.routes, before.routes)
  })

  it('keeps what is not plain data for the check to refuse', async () => {
    const when = new Date()
    assert.equal(((await adoptMesh({ ports: when })) as unknown as { ports: Date }).ports, when)
  })
})
