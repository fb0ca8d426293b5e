// What the schema cannot say of requests: what matches can be, what filters do together, who shares a listener's address.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkMesh, mergePatch } from '#lib/index.js'
import { adoptMesh } from '#lib/mesh/adopt.js'
import { checkMeshSliced } from '#lib/mesh/check.js'
import { told } from './told.js'

const ports = { a: { type: 'memory' }, b: { type: 'memory' } }
const services = {
  s: { port: 80, endpoints: [] },
  u: { port: 80, protocol: 'udp', endpoints: [] },
}
const backendRefs = [{ service: 's' }]

/** The problems of one rule, without the way to it. */
const ofRule = (rule: unknown) =>
  told({ ports, services, routes: [{ name: 'r', rules: [rule] }] }).map((line) => line.replace('routes.0.rules.0.', ''))
const ofFilters = (...filters: unknown[]) =>
  ofRule({ filters, backendRefs }).map((line) => line.replace('filters.', ''))
const ofMatch = (match: unknown) =>
  ofRule({ matches: [match], backendRefs }).map((line) => line.replace('matches.0.', ''))

describe('a match', () => {
  const ofPath = (value: string, type = 'PathPrefix') => ofMatch({ path: { type, value } })

  it('has a path that a request can have', () => {
    for (const path of ['/', '/a', '/a/', '/a.b/..c/...', "/~!$&'()*+,;=:@%20-_", '/%C3%A4'])
      assert.deepEqual([...ofPath(path), ...ofPath(path, 'Exact')], [], path)
    assert.deepEqual(ofPath('a/b'), ["path.value: 'a/b' does not begin with '/' | did you mean '/a/b'?"])
    for (const [path, what] of [
      ['/a//b', '//'],
      ['/a/./b', '/.'],
      ['/a/../b', '/..'],
      ['/a/..', '/..'],
      ['/a/.', '/.'],
      ['/a%2fb', '%2f'],
      ['/a%2Fb', '%2F'],
      ['/a#b', '#'],
    ] as const)
      assert.deepEqual(ofPath(path, 'Exact'), [`path.value: '${path}' has '${what}' in it`])
    assert.deepEqual(ofPath('/a?b=c'), [
      "path.value: '/a?b=c' has characters that no path has | the query is matched by queryParams",
    ])
    for (const path of ['/a b', '/ä', '/%', '/%2', '/a"', '/{x}'])
      assert.deepEqual(ofPath(path), [`path.value: '${path}' has characters that no path has`])
    assert.deepEqual(ofPath('.*//(a|b)?', 'RegularExpression'), [])
    assert.deepEqual(ofPath(''), ["path.value: '' is not a text of 1 to 4096 characters without control characters"])
    assert.equal(ofPath(`/${'a'.repeat(1_024)}`).length, 1)
  })

  it('names headers by tokens, and each once in upper or lower case', () => {
    assert.deepEqual(
      ofMatch({
        headers: [
          { name: 'X-A', value: '1' },
          { name: 'x-a', value: '2' },
          { name: 'no name', value: '3' },
          { name: 'x-b', value: 'a\nb' },
        ],
      }),
      [
        "headers.2.name: 'no name' is not 1 to 256 letters, digits and characters of !#$%&'*+-.^_`|~",
        "headers.3.value: 'a\nb' is not a text of 1 to 4096 characters without control characters",
        "headers.1.name: 'headers.0' is about 'x-a' already",
      ],
    )
  })

  it('tells query parameters apart by their case', () => {
    const query = (...names: string[]) => ofMatch({ queryParams: names.map((name) => ({ name, value: '1' })) })
    assert.deepEqual(query('q', 'Q', 'a[]'), [])
    assert.deepEqual(query('q', 'q'), ["queryParams.1.name: 'queryParams.0' is about 'q' already"])
    assert.deepEqual(query(...Array.from({ length: 17 }, (_, index) => `q${index}`)), ['queryParams: a list of 17'])
  })
})

describe('filters', () => {
  it('leave alone what belongs to connections and framing', () => {
    for (const name of ['Connection', 'keep-alive', 'proxy-connection', 'TE', 'trailer', 'upgrade'])
      for (const change of [{ set: { [name]: '1' } }, { add: { [name]: '1' } }, { remove: [name] }])
        assert.equal(ofFilters({ type: 'ResponseHeaderModifier', ...change }).length, 1, name)
    assert.deepEqual(
      ofFilters({
        type: 'RequestHeaderModifier',
        set: { Host: 'x', 'Content-Length': '1' },
        remove: ['Transfer-Encoding'],
      }),
      [
        "0.set.Host: 'Host' cannot be changed: flatproxy writes it for each connection and message | use the filter URLRewrite with `hostname`",
        "0.set.Content-Length: 'Content-Length' cannot be changed: flatproxy writes it for each connection and message",
        "0.remove.0: 'Transfer-Encoding' cannot be changed: flatproxy writes it for each connection and message",
      ],
    )
  })

  it('do one thing to each header', () => {
    assert.deepEqual(
      ofFilters({
        type: 'RequestHeaderModifier',
        set: { 'x-a': '1', 'X-A': '2' },
        add: { 'X-a': '3' },
        remove: ['x-A'],
      }),
      [
        "0.set.X-A: 'set.x-a' is about 'X-A' already",
        "0.add.X-a: 'set.x-a' is about 'X-a' already",
        "0.remove.0: 'set.x-a' is about 'x-A' already",
      ],
    )
  })

  it('have names and values that can be sent', () => {
    const set = (name: string, value: string) => ofFilters({ type: 'RequestHeaderModifier', set: { [name]: value } })
    assert.deepEqual([...set('x-a', ''), ...set('x-a', 'a b'), ...set('x-ä', 'a')], ["0.set.x-ä: 'x-ä' is not a name"])
    for (const value of ['a\r\nb: c', '\u0000', ' a', 'a ', 'a\u007f', '\ud800'])
      assert.equal(set('x-a', value).length, 1, JSON.stringify(value))
    const [problem] = checkMesh({
      ports,
      services,
      routes: [
        { name: 'r', rules: [{ filters: [{ type: 'DirectResponse', status: 200, headers: { ':path': '/' } }] }] },
      ],
    })
    assert.deepEqual(problem!.path, ['routes', 0, 'rules', 0, 'filters', 0, 'headers', ':path'])
  })

  it('go together', () => {
    const redirect = { type: 'RequestRedirect', hostname: 'x.example' }
    const rewrite = { type: 'URLRewrite', hostname: 'x.example' }
    const direct = { type: 'DirectResponse', status: 200 }
    assert.deepEqual(ofRule({ filters: [redirect, rewrite] }), ['filters.1: URLRewrite beside RequestRedirect'])
    assert.deepEqual(ofRule({ filters: [direct, redirect, direct] }), [
      'filters.1: RequestRedirect beside DirectResponse',
      "filters.2: 'filters.0' is a DirectResponse already",
      'filters.2: DirectResponse beside RequestRedirect',
    ])
    assert.deepEqual(ofFilters(rewrite, rewrite), ["1: 'filters.0' is a URLRewrite already"])
    const hook = { type: 'Hook', hook: 'k', timeout: 1, onTimeout: 'deny' }
    assert.deepEqual(ofFilters(hook, hook), [])
  })

  it('replace prefixes where there are some', () => {
    const path = { type: 'ReplacePrefixMatch', replacePrefixMatch: '' }
    const rule = (...types: string[]) => ({
      matches: types.map((type) => ({ path: { type, value: '/a' } })),
      filters: [{ type: 'URLRewrite', path }],
      backendRefs,
    })
    assert.deepEqual([...ofRule(rule()), ...ofRule(rule('PathPrefix', 'PathPrefix'))], [])
    assert.deepEqual(ofRule(rule('PathPrefix', 'Exact')), [
      'filters.0.path: a match by Exact has no prefix that could be replaced',
    ])
    assert.deepEqual(ofFilters({ type: 'URLRewrite', path: { type: 'ReplaceFullPath', replaceFullPath: 'a b' } }), [
      "0.path.replaceFullPath: 'a b' is not a path that begins with '/' and has only characters of paths",
    ])
  })

  it('answer with what a response can be', () => {
    const direct = (fields: object) => ofRule({ filters: [{ type: 'DirectResponse', ...fields }] })
    assert.deepEqual(direct({ status: 204 }), [])
    assert.deepEqual(direct({ status: 304, body: 'x' }), ['filters.0.body: a response of status 304 has no body'])
    assert.deepEqual(direct({ status: 199 }), ['filters.0.status: 199 is out of range'])
    assert.deepEqual(direct({ status: 200, body: 'ä'.repeat(4_097) }), [
      'filters.0.body: a body of 8194 bytes in UTF-8',
    ])
    assert.deepEqual(direct({ status: 200, headers: { 'Content-Length': '1', a: '1', A: '2' } }), [
      "filters.0.headers.Content-Length: 'Content-Length' cannot be changed: flatproxy writes it for each connection and message",
      "filters.0.headers.A: 'A' stands twice",
    ])
    assert.deepEqual(ofRule({ filters: [{ type: 'RequestRedirect', statusCode: 304 }] }), [
      'filters.0.statusCode: 304 is not one of 301, 302, 303, 307, 308',
    ])
  })
})

describe('a rule', () => {
  it('is answered by somebody', () => {
    const hint = 'or the filter RequestRedirect or DirectResponse'
    for (const rule of [{}, { backendRefs: [] }, { filters: [{ type: 'URLRewrite', hostname: 'x' }] }])
      assert.deepEqual(ofRule(rule), [`backendRefs: nobody answers | ${hint}`])
    assert.deepEqual(ofRule({ filters: [{ type: 'DirectResponse', status: 200 }], backendRefs }), [
      'backendRefs: nothing comes to them: DirectResponse answers',
    ])
  })

  it('leads to services that speak TCP, and changes headers for each', () => {
    const filters = [{ type: 'ResponseHeaderModifier', remove: ['te'] }]
    assert.deepEqual(ofRule({ backendRefs: [{ service: 'u' }, { service: 's', filters }] }), [
      "backendRefs.0.service: service 'u' is UDP",
      "backendRefs.1.filters.0.remove.0: 'te' cannot be changed: flatproxy writes it for each connection and message",
    ])
    assert.deepEqual(ofRule({ backendRefs: [{ service: 's', filters: [{ type: 'URLRewrite' }] }] }), [
      "backendRefs.0.filters.0.type: unknown type 'URLRewrite'",
    ])
  })

  it('has timeouts that can come', () => {
    assert.deepEqual(ofRule({ backendRefs, timeouts: { request: '1s', backendRequest: '1s' } }), [])
    assert.deepEqual(ofRule({ backendRefs, timeouts: { request: 0, backendRequest: '1s' } }), [], '0: no limit')
    assert.deepEqual(ofRule({ backendRefs, timeouts: { request: '1s', backendRequest: '2s', connect: 1, idle: 1 } }), [
      'timeouts.connect: it is for tcp routes | leave it out: backendRequest bounds a try',
      'timeouts.idle: it is for tcp routes | leave it out: listeners of protocol http have timeouts of their own',
      'timeouts.backendRequest: 2000 ms is longer than the 1000 ms of the request as a whole',
    ])
  })

  it('retries after failures', () => {
    assert.deepEqual(ofRule({ backendRefs, retry: {} }), [])
    assert.deepEqual(ofRule({ backendRefs, retry: { attempts: 11, codes: [200, 503], on: ['refused'] } }), [
      'retry.attempts: 11 is out of range',
      'retry.codes.0: 200 is out of range',
      "retry.on.0: unknown value 'refused'",
    ])
  })

  it('is looked at again when it, or what is around it, changes', async () => {
    const rules = [{ backendRefs }]
    const listeners = { l: { address: '192.0.2.1', port: 1, protocol: 'http' } }
    const routes = ['a', 'b', 'c'].map((name) => ({ name, rules }))
    const before = await adoptMesh({ ports, services, listeners, routes })
    const paths = async (patch: unknown) =>
      (await checkMeshSliced(mergePatch(before, patch), before)).map(({ path }) => path.join('.'))
    assert.deepEqual(await paths({}), [])
    assert.deepEqual(
      await paths({ services: { s: { protocol: 'udp' } } }),
      [0, 1, 2].map((index) => `routes.${index}.rules.0.backendRefs.0.service`),
    )
    assert.deepEqual(await paths({ routes: [routes[0], { name: 'b', rules: [{}] }, routes[2]] }), [
      'routes.1.rules.0.backendRefs',
    ])
    assert.deepEqual(await paths({ routes: [...routes, { name: 'd', rules: [{}] }] }), ['routes.3.rules.0.backendRefs'])
  })
})

describe('services', () => {
  it('hash requests where something is hashed', () => {
    const ofService = (fields: object) => told({ ports, services: { s: { port: 80, endpoints: [], ...fields } } })
    assert.deepEqual(ofService({ balance: 'ringHash', hashOn: { header: 'x-user' } }), [])
    assert.deepEqual(ofService({ balance: 'roundRobin', hashOn: 'source' }), [
      "services.s.hashOn: 'roundRobin' hashes nothing",
    ])
    assert.deepEqual(ofService({ hashOn: 'client' }), ["services.s.hashOn: unknown value 'client'"])
    assert.deepEqual(ofService({ hashOn: { header: 'a', cookie: 'b' } }), [
      "services.s.hashOn: has 'header' and 'cookie'",
    ])
    assert.deepEqual(ofService({ protocol: 'udp', http: {}, sessionAffinity: { cookie: 'c' } }), [
      'services.s.sessionAffinity: a UDP service has no requests | leave it out',
      'services.s.http: a UDP service has no requests | leave it out',
    ])
  })

  it('keep sessions by cookies that browsers take', () => {
    const ofCookie = (cookie: unknown, ttl?: unknown) =>
      told({ ports, services: { s: { port: 80, endpoints: [], sessionAffinity: { cookie, ttl } } } })
    const there = 'services.s.sessionAffinity'
    assert.deepEqual(ofCookie('sid', '365m'), [])
    assert.deepEqual(ofCookie('a b'), [
      `${there}.cookie: 'a b' is not 1 to 256 letters, digits and characters of !#$%&'*+-.^_\`|~`,
    ])
    assert.deepEqual(ofCookie('__Host-sid'), [`${there}.cookie: browsers take a cookie of such a name by https alone`])
    assert.deepEqual(ofCookie('__secure-'), [`${there}.cookie: browsers take a cookie of such a name by https alone`])
    assert.deepEqual(ofCookie('sid', '999ms'), [`${there}.ttl: '999ms' is out of range`])
    assert.deepEqual(ofCookie(undefined), [`${there}.cookie: missing | The name of the cookie.`])
  })
})

describe('http listeners at one address and port', () => {
  const http = { address: ['192.0.2.1', 'FD00::1'], port: 80, protocol: 'http' }
  const ofListeners = (listeners: unknown) => told({ ports, listeners })

  it('differ in their host names', () => {
    const same = { ...http, address: ['fd00:0::1', '192.0.2.1'] }
    assert.deepEqual(
      ofListeners({ a: http, b: { ...same, hostname: '*.example' }, c: { ...same, hostname: 'x.example' } }),
      [],
    )
    assert.deepEqual(ofListeners({ a: http, b: { ...same, hostname: 'x' }, c: { ...same, hostname: 'x' }, d: same }), [
      "listeners.c.hostname: listener 'b' has its address and port for x already",
      "listeners.d.hostname: listener 'a' has its address and port for any host already",
    ])
  })

  it('are the same to TCP', () => {
    const other = { ...http, hostname: 'x.example', proxyProtocol: { trusted: [] }, http: { maxHeaders: 10 } }
    const differs = "it differs from that of listener 'a', with which it shares address and port"
    assert.deepEqual(ofListeners({ a: { ...http, http: { maxHeaders: 100 } }, b: { ...http, hostname: 'x' } }), [])
    assert.deepEqual(ofListeners({ a: http, b: { ...other, maxConnections: 1 } }), [
      `listeners.b.http: ${differs}`,
      `listeners.b.maxConnections: ${differs}`,
      `listeners.b.proxyProtocol: ${differs}`,
    ])
  })

  it('share all of their addresses', () => {
    const hint = 'http listeners that differ in their host names share all of their addresses, and `on`'
    assert.deepEqual(
      ofListeners({
        a: http,
        b: { ...http, address: '192.0.2.1', hostname: 'x' },
        c: { ...http, protocol: 'tcp' },
        d: { ...http, on: 'a', hostname: 'y' },
      }),
      [
        `listeners.b.address: listener 'a' has 192.0.2.1, port 80 already | ${hint}`,
        "listeners.c.address.0: listener 'a' has 192.0.2.1, port 80 already",
        "listeners.c.address.1: listener 'a' has fd00::1, port 80 already",
        `listeners.d.address.0: listener 'a' has 192.0.2.1, port 80 already | ${hint}`,
        `listeners.d.address.1: listener 'a' has fd00::1, port 80 already | ${hint}`,
      ],
    )
  })

  it('are not of protocol tcp', () => {
    assert.deepEqual(ofListeners({ a: { ...http, protocol: 'tcp', hostname: 'x', http: {} } }), [
      'listeners.a.hostname: a listener of protocol tcp takes no requests | leave it out, or use protocol http',
      'listeners.a.http: a listener of protocol tcp takes no requests | leave it out, or use protocol http',
    ])
    assert.deepEqual(
      ofListeners({ a: { ...http, http: { maxHeaderBytes: 100, dotSegments: 'remove', via: 'a b' } } }),
      [
        'listeners.a.http.maxHeaderBytes: 100 is out of range',
        "listeners.a.http.dotSegments: unknown value 'remove'",
        "listeners.a.http.via: 'a b' is not 1 to 256 letters, digits and characters of !#$%&'*+-.^_`|~",
      ],
    )
  })
})
