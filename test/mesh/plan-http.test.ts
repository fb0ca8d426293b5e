// Plans: listeners that take requests, routes of requests, and what services are asked of by them.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { diff, mergePatch, type Mesh } from '#lib/index.js'
import { adoptMesh } from '#lib/mesh/adopt.js'
import { Planner } from '#lib/mesh/plan.js'
import { Harness, type Plan } from './harness.js'

const settings = {
  maxHeaderBytes: 16_384,
  maxHeaders: 100,
  maxUriBytes: 8_192,
  maxRequests: 0,
  headerTimeout: 10_000,
  bodyTimeout: 60_000,
  idleTimeout: 75_000,
  tunnelTimeout: 3_600_000,
  via: null,
  forwarded: 'none',
  trustedForwarded: [],
  dotSegments: 'normalize',
  encodedSlashes: 'keep',
  doubleSlashes: 'keep',
  trace: 'pass',
}

const web = { address: '192.0.2.1', port: 80, protocol: 'http' }
const mesh = () => ({
  ports: { a: { type: 'memory' } },
  services: { shop: { port: 80, endpoints: [] }, beta: { port: 80, endpoints: [] } },
  listeners: {
    door: { address: '192.0.2.1', port: 1, protocol: 'tcp' },
    web: { ...web, http: { via: 'edge', maxRequests: 5, trustedForwarded: ['10.0.0.0/8', 'FD00::/8'] } },
  } as Record<string, object>,
  routes: [
    { name: 'tcp', listeners: ['door'], rules: [{ backendRefs: [{ service: 'shop' }] }] },
    { name: 'all', rules: [{ backendRefs: [{ service: 'beta' }] }] },
  ] as unknown[],
})

/** The one rule of the one route of requests of a plan. */
async function planned(rule: unknown): Promise<Record<string, unknown>> {
  const { httpRoutes } = await new Harness().apply({ ...mesh(), routes: [{ name: 'r', rules: [rule] }] })
  assert.equal(httpRoutes!.length, 1)
  return httpRoutes![0]!.rules[0]!
}
const backendRefs = [{ service: 'shop' }]

describe('the http listeners of a plan', () => {
  it('have all their settings, with defaults', async () => {
    const { listeners } = await new Harness().apply(mesh())
    assert.deepEqual(
      listeners!.map((listener) => [listener.name, (listener as unknown as { http: unknown }).http]),
      [
        ['door', null],
        ['web', { ...settings, via: 'edge', maxRequests: 5, trustedForwarded: ['10.0.0.0/8', 'fd00::/8'] }],
      ],
    )
    assert.deepEqual(listeners![1]!.backends, [])
  })

  it('have their host names also without a route: nobody else answers for them', async () => {
    const listeners = { any: web, shop: { ...web, hostname: 'shop.example' } }
    const routes = [{ name: 'one', listeners: ['any'], rules: [{ backendRefs }] }]
    const { httpRoutes } = await new Harness().apply({ ...mesh(), listeners, routes })
    assert.deepEqual(
      httpRoutes!.map(({ name, listeners, rules }) => [name, listeners, rules.length]),
      [
        ['one', [{ id: 0, hostname: null }], 1],
        ['shop', [{ id: 0, hostname: 'shop.example' }], 0],
      ],
    )
  })

  it('are one where they share address and port', async () => {
    const { door } = mesh().listeners
    const listeners = {
      any: web,
      door,
      shop: { ...web, hostname: 'shop.example' },
      wild: { ...web, hostname: '*.example' },
      other: { ...web, port: 81 },
    }
    const routes = [
      { name: 'one', listeners: ['wild', 'other'], rules: [{ backendRefs }] },
      { name: 'all', hostnames: ['*.example', 'a.b'], rules: [{ backendRefs }] },
      { name: 'none', listeners: [], rules: [{ backendRefs }] },
    ]
    const harness = new Harness()
    const plan = await harness.apply({ ...mesh(), listeners, routes })
    const names = ({ listeners }: Plan) => listeners!.map(({ id, name }) => [id, name])
    assert.deepEqual(names(plan), [
      [0, 'any'],
      [1, 'door'],
      [2, 'other'],
    ])
    assert.deepEqual(
      plan.httpRoutes!.map(({ name, listeners, hostnames }) => ({ name, listeners, hostnames })),
      [
        {
          name: 'one',
          listeners: [
            { id: 0, hostname: '*.example' },
            { id: 2, hostname: null },
          ],
          hostnames: [],
        },
        {
          name: 'all',
          listeners: [
            { id: 0, hostname: null },
            { id: 0, hostname: 'shop.example' },
            { id: 0, hostname: '*.example' },
            { id: 2, hostname: null },
          ],
          hostnames: ['*.example', 'a.b'],
        },
        { name: 'none', listeners: [], hostnames: [] },
      ],
    )
    // The next one is the first then.
    const fewer = await harness.patch({ listeners: { any: null } })
    assert.deepEqual(names(fewer), [
      [1, 'door'],
      [3, 'shop'],
      [2, 'other'],
    ])
    assert.deepEqual([...harness.planner.listenerIds.keys()], ['door', 'shop', 'other'])
  })
})

describe('the http routes of a plan', () => {
  it('are there when they or the listeners change', async () => {
    const harness = new Harness()
    const first = await harness.apply(mesh())
    assert.deepEqual(first.httpRoutes, [
      {
        id: 0,
        name: 'all',
        listeners: [{ id: 1, hostname: null }],
        hostnames: [],
        rules: [
          {
            matches: [{ path: { type: 'PathPrefix', value: '/' }, method: null, headers: [], queryParams: [] }],
            filters: [],
            backends: [{ service: 1, weight: 1, filters: [] }],
            timeouts: { request: 0, backendRequest: 0 },
            retry: null,
          },
        ],
      },
    ])
    const endpoints = [{ address: '10.0.0.1', port: 80 }]
    assert.equal((await harness.patch({ services: { beta: { endpoints } } })).httpRoutes, null)
    const ports = await harness.patch({ ports: { b: { type: 'memory' } } })
    assert.deepEqual([ports.httpRoutes, ports.listeners!.length], [null, 2])
    assert.equal((await harness.patch({ listeners: { web: { hostname: 'x' } } })).httpRoutes!.length, 1)
    const { httpRoutes } = await harness.patch({ routes: null })
    assert.deepEqual(httpRoutes, [
      { id: null, name: 'web', listeners: [{ id: 1, hostname: 'x' }], hostnames: [], rules: [] },
    ])
  })

  it('keep their ids while their names live', async () => {
    const harness = new Harness()
    const rules = [{ backendRefs: [{ service: 'beta' }] }]
    const ids = async (...names: string[]) => {
      const { httpRoutes } = await harness.apply({ ...mesh(), routes: names.map((name) => ({ name, rules })) })
      return httpRoutes!.map(({ id, name }) => [name, id])
    }
    assert.deepEqual(await ids('a', 'b'), [
      ['a', 0],
      ['b', 1],
    ])
    assert.deepEqual(await ids('c', 'b'), [
      ['c', 2],
      ['b', 1],
    ])
    assert.deepEqual([...harness.planner.routeIds.keys()], ['c', 'b'])
  })

  it('match what they say', async () => {
    const { matches } = await planned({
      matches: [
        {
          path: { type: 'RegularExpression', value: '/a|/b' },
          method: 'GET',
          headers: [
            { name: 'X-Version', value: '2' },
            { name: 'x-b', value: '.*', type: 'RegularExpression' },
          ],
          queryParams: [{ name: 'Q', value: '1', type: 'Exact' }],
        },
        {},
      ],
      backendRefs,
    })
    assert.deepEqual(matches, [
      {
        path: { type: 'RegularExpression', value: '/a|/b' },
        method: 'GET',
        headers: [
          { name: 'x-version', value: '2', regex: false },
          { name: 'x-b', value: '.*', regex: true },
        ],
        queryParams: [{ name: 'Q', value: '1', regex: false }],
      },
      { path: { type: 'PathPrefix', value: '/' }, method: null, headers: [], queryParams: [] },
    ])
  })

  it('do what they say', async () => {
    const modifier = { type: 'RequestHeaderModifier', set: { 'X-A': 'b' }, add: { B: 'c' }, remove: ['C'] }
    const rule = await planned({
      filters: [
        modifier,
        { type: 'ResponseHeaderModifier' },
        { type: 'URLRewrite', path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/y' } },
      ],
      backendRefs: [{ service: 'beta', weight: 0, filters: [modifier] }],
      timeouts: { request: '2s', backendRequest: 500 },
      retry: { codes: [503], on: ['reset', 'timeout'] },
    })
    const changes = { type: 'RequestHeaderModifier', set: [['x-a', 'b']], add: [['b', 'c']], remove: ['c'] }
    assert.deepEqual(rule, {
      matches: [{ path: { type: 'PathPrefix', value: '/' }, method: null, headers: [], queryParams: [] }],
      filters: [
        changes,
        { type: 'ResponseHeaderModifier', set: [], add: [], remove: [] },
        { type: 'URLRewrite', hostname: null, path: { type: 'ReplacePrefixMatch', value: '/y' } },
      ],
      backends: [{ service: 1, weight: 0, filters: [changes] }],
      timeouts: { request: 2_000, backendRequest: 500 },
      retry: { attempts: 1, codes: [503], backoff: 25, connectFailure: false, reset: true, timeout: true },
    })
  })

  it('answer what they say', async () => {
    const path = { type: 'ReplaceFullPath', replaceFullPath: '/y' }
    const redirect = { type: 'RequestRedirect', scheme: 'https', hostname: 'x', port: 8_443, statusCode: 301, path }
    const { filters, backends } = await planned({ filters: [redirect] })
    assert.deepEqual([filters, backends], [[{ ...redirect, path: { type: 'ReplaceFullPath', value: '/y' } }], []])
    assert.deepEqual((await planned({ filters: [{ type: 'RequestRedirect' }] }))['filters'], [
      { type: 'RequestRedirect', scheme: null, hostname: null, port: null, path: null, statusCode: 302 },
    ])
    const direct = { type: 'DirectResponse', status: 503, headers: { 'Retry-After': '5' } }
    assert.deepEqual((await planned({ filters: [direct] }))['filters'], [
      { type: 'DirectResponse', status: 503, headers: [['retry-after', '5']], body: '' },
    ])
  })

  it('retry only if they shall', async () => {
    assert.deepEqual((await planned({ backendRefs, retry: {} }))['retry'], {
      attempts: 1,
      codes: [],
      backoff: 25,
      connectFailure: true,
      reset: true,
      timeout: false,
    })
    assert.equal((await planned({ backendRefs, retry: { attempts: 0 } }))['retry'], null)
  })

  it('are planned in slices', async () => {
    const routes = Array.from({ length: 1_000 }, (_, index) => ({ name: `r${index}`, rules: [{ backendRefs }] }))
    const planner = new Planner()
    let [time, rests] = [0, 0]
    await planner.plan(await adoptMesh({ ...mesh(), routes }), { now: () => time++, rest: async () => void rests++ })
    assert.ok(rests > 100, `${rests} rests`)
  })
})

describe('the services of a plan', () => {
  it('say how requests are spread, and what is kept', async () => {
    const service = { port: 80, endpoints: [] }
    const { services } = await new Harness().apply({
      ...mesh(),
      services: {
        shop: {
          ...service,
          balance: 'ringHash',
          hashOn: { header: 'X-User' },
          sessionAffinity: { cookie: 'sid', ttl: '1h' },
          http: { maxPending: 5, idleTimeout: '1s', maxRequests: 7, eject: { for: '1m' } },
        },
        beta: { ...service, hashOn: { cookie: 'User' }, sessionAffinity: { cookie: 'sid' } },
        gamma: { ...service, sessionAffinity: { cookie: 'sid', ttl: '8760h' } },
      },
    })
    const [shop, beta, gamma] = services.set as unknown as { balance: string; http: Record<string, unknown> }[]
    assert.equal(shop!.balance, 'ringHash')
    assert.deepEqual(shop!.http, {
      maxPending: 5,
      idleTimeout: 1_000,
      maxRequests: 7,
      eject: { failures: 5, for: 60_000 },
      affinityCookie: { name: 'sid', ttl: 3_600 },
      hash: { by: 'header', name: 'x-user' },
    })
    assert.deepEqual(beta!.http['hash'], { by: 'cookie', name: 'User' })
    assert.deepEqual(beta!.http['affinityCookie'], { name: 'sid', ttl: 0 })
    assert.deepEqual(gamma!.http['affinityCookie'], { name: 'sid', ttl: 31_536_000 }, 'which fits into 32 bits')
  })
})

describe('changes of http routes', () => {
  it('are told by what backends and filters are', () => {
    const before = mesh() as unknown as Mesh
    const rule = (weight: number, value: string) => ({
      filters: [{ type: 'RequestHeaderModifier', set: { 'x-a': value } }],
      backendRefs: [{ service: 'shop', weight }, { service: 'beta' }],
    })
    const routes = (weight: number, value: string) => ({ routes: [{ name: 'r', rules: [rule(weight, value)] }] })
    const a = mergePatch(before, routes(90, '1')) as Mesh
    const b = mergePatch(a, { ...routes(80, '2'), listeners: { web: { http: { via: null } } } }) as Mesh
    assert.deepEqual(diff(a, b).map(String), [
      "listeners.web.http.via removed ('edge')",
      "routes[r].rules[0].filters[RequestHeaderModifier].set.x-a changed from '1' to '2'",
      'routes[r].rules[0].backendRefs[shop].weight changed from 90 to 80',
    ])
  })
})
