// What Kubernetes says, as a mesh: what is imported, and what is told because a mesh cannot say it.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FlatProxyError, MeshError, UnsupportedError, unsupported as notBuilt } from 'flatproxy'
import { fromKubernetes } from 'flatproxy/kubernetes'

const folder = 'test/kubernetes'

describe('what Kubernetes says', () => {
  const imported = fromKubernetes(`${folder}/*.yaml`)

  it('is said whole', async () => {
    const { mesh, unsupported } = await imported
    assert.deepEqual(unsupported, [])
    assert.deepEqual(notBuilt(mesh), [])
    assert.deepEqual(Object.keys(mesh), ['ports', 'services', 'listeners', 'routes'])
  })

  it('has the listeners of Gateways, at the addresses that were asked for', async () => {
    const { listeners } = (await imported).mesh
    const web = { address: ['192.0.2.1', '2001:db8::1'], port: 80, protocol: 'http' }
    assert.deepEqual(listeners, {
      'infra/edge/own': { ...web, port: 8080 },
      'infra/edge/any': web,
      'infra/edge/shops': { ...web, hostname: '*.shop.example' },
    })
  })

  it('has a service for each port of a Service, with the endpoints that are ready', async () => {
    const { services } = (await imported).mesh
    const at = (port: number, ...addresses: string[]) => addresses.map((address) => ({ address, port }))
    assert.deepEqual(services, {
      'shop/web:80': {
        address: ['10.96.0.10'],
        port: 80,
        balance: 'roundRobin',
        endpoints: [...at(8080, '10.0.1.11', '10.0.1.13'), ...at(8081, '10.0.1.14')],
      },
      'shop/web:9090': {
        address: ['10.96.0.10'],
        port: 9090,
        balance: 'roundRobin',
        endpoints: at(9100, '10.0.1.11', '10.0.1.13'),
      },
      'data/carts:8080': {
        port: 8080,
        balance: 'roundRobin',
        affinity: 'source',
        endpoints: at(8080, 'fd00:1::21'),
      },
      'data/secrets:80': { address: ['10.96.0.20'], port: 80, balance: 'roundRobin', endpoints: [] },
      'default/dns:53/udp': {
        address: ['10.96.0.53'],
        port: 53,
        protocol: 'udp',
        balance: 'roundRobin',
        endpoints: [],
      },
      'default/dns:53': { address: ['10.96.0.53'], port: 53, balance: 'roundRobin', endpoints: [] },
    })
  })

  it('has routes, the oldest first, where they attach', async () => {
    const { routes } = (await imported).mesh
    assert.deepEqual(
      routes!.map(({ name, listeners, hostnames }) => ({ name, listeners, hostnames })),
      [
        {
          name: 'shop/store',
          listeners: ['infra/edge/any', 'infra/edge/shops'],
          hostnames: ['eu.shop.example', 'shop.example'],
        },
        { name: 'shop/beta', listeners: ['infra/edge/any'], hostnames: undefined },
      ],
    )
    assert.deepEqual(routes![1]!.rules, [{ backendRefs: [{ service: 'shop/web:80' }] }])
  })

  it('has rules as they are, with 500 where nobody answers', async () => {
    const { routes } = (await imported).mesh
    const prefix = (value: string) => [{ path: { type: 'PathPrefix', value } }]
    assert.deepEqual(routes![0]!.rules, [
      {
        matches: [
          {
            path: { type: 'PathPrefix', value: '/cart' },
            method: 'POST',
            headers: [{ name: 'X-Version', value: '2' }],
            queryParams: [{ type: 'RegularExpression', name: 'id', value: '[0-9]+' }],
          },
          { path: { type: 'Exact', value: '/basket' } },
        ],
        filters: [
          { type: 'RequestHeaderModifier', set: { 'X-A': 'a' }, add: { 'X-B': 'b' }, remove: ['X-C'] },
          { type: 'ResponseHeaderModifier', remove: ['Server'] },
        ],
        backendRefs: [
          {
            service: 'shop/web:80',
            weight: 9,
            filters: [{ type: 'RequestHeaderModifier', set: { 'x-w': '1' } }],
          },
          { service: 'data/carts:8080', weight: 1 },
        ],
        timeouts: { request: 90_000, backendRequest: 500 },
        retry: { attempts: 2, codes: [502, 503], backoff: 100, on: ['connectFailure'] },
      },
      {
        matches: prefix('/old'),
        filters: [
          {
            type: 'RequestRedirect',
            scheme: 'https',
            hostname: 'new.example',
            port: 8443,
            path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/new' },
            statusCode: 301,
          },
        ],
      },
      {
        matches: prefix('/api'),
        filters: [
          {
            type: 'URLRewrite',
            hostname: 'api.internal',
            path: { type: 'ReplaceFullPath', replaceFullPath: '/' },
          },
        ],
        backendRefs: [{ service: 'shop/web:80' }],
      },
      // No such Service; and one of another namespace that no ReferenceGrant allows.
      { matches: prefix('/nowhere'), filters: [{ type: 'DirectResponse', status: 500 }] },
      { matches: prefix('/empty'), filters: [{ type: 'DirectResponse', status: 500 }] },
    ])
  })

  it('goes between the ports that are given', async () => {
    const ports = { uplink: { type: 'memory' } } as const
    assert.deepEqual((await fromKubernetes([`${folder}/services.yaml`], { ports })).mesh.ports, ports)
  })
})

describe('what a mesh cannot say', () => {
  const told = async (file: string) =>
    (await fromKubernetes(`${folder}/odd/${file}`, { strict: false })).unsupported.map(
      ({ line, path, why }) => `${line} ${path}: ${why}`,
    )

  it('is told of kinds', async () => {
    assert.deepEqual(await told('kinds.yaml'), [
      '1 : GRPCRoute g: objects of kind GRPCRoute (gateway.networking.k8s.io/v1) are not imported',
      '5 : BackendTLSPolicy shop/b: objects of kind BackendTLSPolicy (gateway.networking.k8s.io/v1) are not imported',
      '9 : AdminNetworkPolicy n: objects of kind AdminNetworkPolicy (policy.networking.k8s.io/v1alpha1) are not imported',
      '13 : AuthorizationPolicy a: objects of kind AuthorizationPolicy (security.istio.io/v1) are not imported',
      '17 : HTTPRoute old: gateway.networking.k8s.io/v1alpha2 is not imported, but gateway.networking.k8s.io/v1',
      '21 : Endpoints e: objects of kind Endpoints (v1) are not imported',
      '27 : no object of Kubernetes: it has no kind',
      '29 : Service: it has no name',
      '33 : HTTPRoute empty: spec is missing',
      '40 spec.listeners[0]: Gateway half: port is missing',
      '42 : NetworkPolicy old: objects of kind NetworkPolicy (extensions/v1beta1) are not imported',
      '46 : NetworkPolicy new: networking.k8s.io/v2 is not imported, but networking.k8s.io/v1',
      '50 : PodList: objects of kind PodList (v1) are not imported',
    ])
  })

  it('is told of fields, once, with their lines', async () => {
    assert.deepEqual(await told('fields.yaml'), [
      '6 spec.addresses[1]: Gateway edge: an address of type Hostname is not resolved',
      '7 spec.infrastructure.parametersRef: Gateway edge: parametersRef is not imported',
      '10 spec.listeners[1]: Gateway edge: listeners of protocol HTTPS are not built yet',
      '20 spec.listeners: Gateway nowhere: the Gateway has no IP address, in spec or status',
      '24 metadata.lables: HTTPRoute odd: lables is not imported',
      '30 spec.parentRefs[3]: HTTPRoute odd: there is no Gateway default/missing',
      '31 spec.parentRefs[4]: HTTPRoute odd: Gateway default/edge has no such listener',
      '32 spec.parentRefs[5]: HTTPRoute odd: no listener of Gateway default/edge takes HTTPRoutes of default',
      '33 spec.parentRefs[6]: HTTPRoute odd: no listener of Gateway default/edge takes HTTPRoutes of default',
      '34 spec.parentRefs[7]: HTTPRoute odd: routes of a Service are not imported',
      '35 spec.hostnamse: HTTPRoute odd: hostnamse is not imported',
      '38 spec.rules[0].filters[0]: HTTPRoute odd: a filter RequestMirror is not imported here',
      '40 spec.rules[0].sessionPersistence.type: HTTPRoute odd: sessions are kept by cookies alone',
      '41 spec.rules[0].timeouts.request: HTTPRoute odd: 1d is no duration of the Gateway API',
      '44 spec.rules[0].backendRefs[1]: HTTPRoute odd: there is no Service default/gone: its share of the requests is to get 500, which a mesh cannot say of a share',
      '46 spec.rules[0].backendRefs[3]: HTTPRoute odd: Service default/web has no TCP port 81: its share of the requests is to get 500, which a mesh cannot say of a share',
      '47 spec.rules[0].backendRefs[4].filters[0]: HTTPRoute odd: a filter URLRewrite is not imported here',
      '47 spec.rules[0].backendRefs[4]: HTTPRoute odd: a filter that is not imported: its share of the requests is to get 500, which a mesh cannot say of a share',
      '48 spec.rules[0].backendRefs[5]: HTTPRoute odd: a backend of kind ServiceImport is not imported',
      '50 spec.rules[1].filters[0]: HTTPRoute odd: a filter ExtensionRef is not imported here',
      '59 spec.parentRefs[0]: HTTPRoute elsewhere: no listener of Gateway default/edge is for its hostnames',
      '66 spec.type: Service web: only its cluster addresses are imported, no ports of nodes and no load balancer',
      '68 spec.externalIPs: Service web: externalIPs is not imported',
      '69 spec.internalTrafficPolicy: Service web: endpoints are not chosen by their node',
      '70 spec.trafficDistribution: Service web: trafficDistribution is not imported',
      '73 spec.ports[1].appProtocol: Service web: endpoints are spoken to in HTTP/1.1, not kubernetes.io/h2c',
      '74 spec.ports[2]: Service web: SCTP is not carried',
      '79 spec: Service outside: a Service of type ExternalName leads to a host name, which is not resolved',
      '84 addressType: EndpointSlice web-1: endpoints by host name are not resolved',
      '85 ports[1]: EndpointSlice web-1: an endpoint that takes all ports',
      '88 : Service web: it is there twice: the first one counts',
    ])
  })

  it('is told of values that are of another kind', async () => {
    assert.deepEqual(await told('shapes.yaml'), [
      '4 spec: HTTPRoute text: an object is expected here',
      '8 metadata.labels: HTTPRoute list: an object is expected here',
      '9 spec: HTTPRoute list: it has no parentRefs',
      '10 spec.parentRefs: HTTPRoute list: a list is expected here',
      '12 spec.rules[0]: HTTPRoute list: nothing stands here',
      '13 spec.rules[1]: HTTPRoute list: an object is expected here',
      '15 : no object of Kubernetes: it has no kind',
    ])
  })

  it('is told of sessions that are not those of one service', async () => {
    const at = (line: number, rule: number, text: string) =>
      `${line} spec.rules[${rule}].sessionPersistence${text.replace(': ', ': HTTPRoute odd: ')}`
    assert.deepEqual(await told('sessions.yaml'), [
      at(36, 0, '.idleTimeout: a session that is idle does not end'),
      at(36, 0, '.absoluteTimeout: a cookie of lifetimeType Session has no timeout'),
      at(38, 1, ': sessionName is missing'),
      at(40, 2, ': absoluteTimeout is missing'),
      at(42, 3, '.cookieConfig.lifetimeType: Session or Permanent is expected here'),
      at(44, 4, ': of several backends clients stay with none'),
      at(47, 6, ': another rule that leads to default/web:9 says something else of sessions'),
      at(49, 7, ': the cookie a is that of default/web:1 already'),
    ])
    const { services } = (await fromKubernetes(`${folder}/odd/sessions.yaml`, { strict: false })).mesh
    const kept = Object.entries(services!).flatMap(([name, { sessionAffinity }]) =>
      sessionAffinity ? [[name, sessionAffinity]] : [],
    )
    assert.deepEqual(kept, [
      ['default/web:1', { cookie: 'a' }],
      ['default/web:2', { cookie: 'b', ttl: 3_600_000 }],
      ['default/web:3', { cookie: 'd', ttl: 3_600_000 }],
      ['default/web:5', { cookie: 'e' }],
      ['default/web:6', { cookie: 'f' }],
    ])
  })

  it('is thrown, all of it, when it is to be strict', async () => {
    const all = await told('fields.yaml')
    await assert.rejects(fromKubernetes(`${folder}/odd/fields.yaml`), (error) => {
      assert.ok(error instanceof UnsupportedError)
      assert.equal(error.problems.length, all.length)
      assert.deepEqual([error.problems[0]!.file, error.problems[0]!.line], [`${folder}/odd/fields.yaml`, 6])
      return true
    })
  })

  it('is left out of the mesh, but for what must not pass without it', async () => {
    const { mesh } = await fromKubernetes(`${folder}/odd/fields.yaml`, { strict: false })
    assert.deepEqual(
      mesh.routes!.map(({ name }) => name),
      ['default/odd'],
    )
    assert.deepEqual(mesh.routes![0]!.listeners, ['default/edge/http'])
    assert.deepEqual(
      mesh.routes![0]!.rules.map(({ filters, backendRefs }) => ({ filters, backendRefs })),
      [
        { filters: undefined, backendRefs: [{ service: 'default/web:80' }] },
        { filters: [{ type: 'DirectResponse', status: 500 }], backendRefs: undefined },
        { filters: undefined, backendRefs: [{ service: 'default/web:8443' }] },
      ],
    )
  })
})

describe('files', () => {
  const file = `${folder}/odd/unsound.yaml`

  it('have problems with lines where they are no sound mesh', async () => {
    await assert.rejects(fromKubernetes(file), (error) => {
      assert.ok(error instanceof MeshError)
      assert.deepEqual(
        error.problems.map(({ file, line, message }) => [file, line, message]),
        [
          [file, 15, "'no slash' does not begin with '/'"],
          [file, 14, "'Host' cannot be changed: flatproxy writes it for each connection and message"],
        ],
      )
      return true
    })
  })

  it('are YAML, and there', async () => {
    await assert.rejects(fromKubernetes(`${folder}/odd/broken.txt`), MeshError)
    for (const name of ['none.yaml', 'none*.yaml', 'nowhere/*.yaml'])
      await assert.rejects(fromKubernetes(`${folder}/${name}`), { code: 'ERR_FLATPROXY_FILE' }, name)
    await assert.rejects(
      fromKubernetes('test/*/gateway.yaml'),
      (error) => error instanceof FlatProxyError && error.code === 'ERR_FLATPROXY_ARGUMENT',
    )
  })

  it('are each read once', async () => {
    const { mesh } = await fromKubernetes([`${folder}/gate*.yaml`, `${folder}/*way.y*ml`, `${folder}/gateway.yaml`])
    assert.equal(Object.keys(mesh.listeners!).length, 3)
  })
})
