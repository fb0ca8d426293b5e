// What explain() says of requests, and of connections that are relayed.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { defineMesh, explain, FlatProxy, type Tuple } from '#lib/index.js'

const folder = mkdtempSync(join(tmpdir(), 'flatproxy-explain-request-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const main = join(process.cwd(), 'dist/cli/main.js')

const mesh = defineMesh({
  ports: { left: { type: 'memory', own: ['10.0.0.1/24'] }, right: { type: 'memory', own: ['10.0.1.1/24'] } },
  services: {
    shop: { port: 80, endpoints: [{ address: '10.0.1.11', port: 8080 }] },
    cart: { port: 80, endpoints: [{ address: '10.0.1.12', port: 8080 }] },
    bare: { port: 80, endpoints: [] },
    pay: { port: 80, endpoints: [{ address: '10.0.1.13', port: 9000 }] },
  },
  listeners: {
    door: { address: '10.0.0.1', port: 80, protocol: 'http' },
    db: { address: '10.0.0.1', port: 81, protocol: 'tcp' },
    dead: { address: '10.0.0.1', port: 82, protocol: 'tcp' },
    paid: { address: '10.0.0.1', port: 83, protocol: 'tcp' },
  },
  routes: [
    {
      name: 'web',
      listeners: ['door'],
      hostnames: ['shop.example'],
      rules: [
        { matches: [{ path: { type: 'PathPrefix', value: '/' } }], backendRefs: [{ service: 'shop' }] },
        {
          matches: [
            { path: { type: 'PathPrefix', value: '/basket' } },
            { path: { type: 'PathPrefix', value: '/cart' }, method: 'GET' },
          ],
          filters: [
            { type: 'RequestHeaderModifier', set: { 'x-cart': '1' } },
            { type: 'URLRewrite', path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/v2' } },
          ],
          backendRefs: [
            { service: 'cart', weight: 3 },
            { service: 'shop', weight: 1 },
          ],
        },
        {
          matches: [{ path: { type: 'PathPrefix', value: '/old' } }],
          filters: [{ type: 'RequestRedirect', scheme: 'https', statusCode: 301 }],
        },
        { matches: [{ path: { type: 'PathPrefix', value: '/bare' } }], backendRefs: [{ service: 'bare' }] },
        { matches: [{ path: { type: 'PathPrefix', value: '/none' } }], backendRefs: [{ service: 'shop', weight: 0 }] },
        { matches: [{ path: { type: 'PathPrefix', value: '/pay' } }], backendRefs: [{ service: 'pay' }] },
      ],
    },
    { name: 'db', listeners: ['db'], rules: [{ backendRefs: [{ service: 'shop' }] }] },
    { name: 'dead', listeners: ['dead'], rules: [{ backendRefs: [{ service: 'bare' }] }] },
    { name: 'paid', listeners: ['paid'], rules: [{ backendRefs: [{ service: 'pay' }] }] },
  ],
  policies: [{ name: 'no-pay', to: { cidr: '10.0.1.13/32' }, action: 'deny' }],
} as const)

const tuple = (http?: Tuple['http'], to = '10.0.0.1:80'): Tuple => ({
  on: 'left',
  protocol: 'tcp',
  from: '10.0.0.10:40000',
  to,
  ...(http && { http }),
})

const host = 'shop.example'
const ends = ['verdict', 'reason', 'service', 'endpoint', 'policy'] as const

describe('explain() of what a listener takes', () => {
  for (const [what, input, result, words] of [
    [
      'a request for the least specific rule',
      tuple({ host }),
      ['terminate', 'tcp_terminated', 'shop', '10.0.1.11:8080'],
      /route web rules\[0\]: matches \(path prefix \//,
    ],
    [
      'a request for a rule of two backends',
      tuple({ host, path: '/cart/7?x=1' }),
      ['terminate', 'tcp_terminated', 'cart', '10.0.1.12:8080'],
      /rules\[1\]: matches \(path prefix \/cart, method GET;[^]*backend shop: not now \(its weight is 1[^]*backend cart: chosen \(its weight is 3[^]*changed \(sets request header x-cart, path prefix becomes \/v2\)/,
    ],
    [
      'one whose method keeps it from that',
      tuple({ host, path: '/cart', method: 'POST' }),
      ['terminate', 'tcp_terminated', 'shop', '10.0.1.11:8080'],
      /rules\[0\]/,
    ],
    [
      'one that is redirected',
      tuple({ host, path: '/old/x' }),
      ['terminate', 'tcp_terminated'],
      /request https:\/\/shop\.example\/old\/x: redirected 301/,
    ],
    ['one for no route', tuple({ host: 'other' }), ['terminate', 'tcp_terminated'], /route: answered 404/],
    ['one without a backend', tuple({ host, path: '/none' }), ['terminate', 'tcp_terminated'], /backend: none[^]*500/],
    [
      'one without an endpoint',
      tuple({ host, path: '/bare' }),
      ['reject', 'no_endpoint', 'bare'],
      /request: answered 503/,
    ],
    [
      'one whose endpoint is denied',
      tuple({ host, path: '/pay' }),
      ['reject', 'policy_denied', 'pay', '10.0.1.13:9000', 'no-pay'],
      /policy ingress no-pay: deny[^]*answered 403/,
    ],
    [
      'one that is none',
      tuple({ host: 'a b' }),
      ['terminate', 'tcp_terminated'],
      /request: answered 400 \(it is refused: bad_host/,
    ],
    [
      'a connection of tcp',
      tuple(undefined, '10.0.0.1:81'),
      ['terminate', 'tcp_terminated', 'shop', '10.0.1.11:8080'],
      /backend shop: chosen/,
    ],
    [
      'one without an endpoint',
      tuple(undefined, '10.0.0.1:82'),
      ['reject', 'no_endpoint', 'bare'],
      /connection: reset/,
    ],
    [
      'one whose endpoint is denied',
      tuple(undefined, '10.0.0.1:83'),
      ['reject', 'policy_denied', 'pay', '10.0.1.13:9000', 'no-pay'],
      /no-pay: deny[^]*connection: reset/,
    ],
  ] as const)
    it(`says what ${what} gets: ${JSON.stringify(input.http ?? input.to)}`, async () => {
      const said = await explain(mesh, input)
      assert.deepEqual(
        ends.map((key) => said[key]).filter((value) => value !== undefined),
        result,
      )
      assert.match(String(said), words)
    })

  it('says the same of a proxy that runs, near and far, and of the frame of its SYN', async () => {
    const control = join(folder, 'control.sock')
    const proxy = await FlatProxy.start({ mesh, control })
    const view = await FlatProxy.connect(control)
    for (const input of [tuple({ host, path: '/cart', headers: { 'x-user': '1' } }), tuple(undefined, '10.0.0.1:81')])
      for (const each of [proxy, view])
        assert.equal(String(await each.explain(input)), String(await explain(mesh, input)))
    await view.close()
    await proxy.close()
  })

  it('refuses what is no request, with the path', async () => {
    for (const [http, message] of [
      [{ host: 'a\r\nb: c' }, /^http\.host: it has a line end/],
      [{ path: 7 }, /^http\.path: it is no text/],
      [{ headers: { a: 'b\n' } }, /^http\.headers\.a: /],
      [{ headers: [] }, /^http\.headers: it is no object/],
      [{ body: '' }, /^http\.body: there is no such key/],
    ] as const)
      await assert.rejects(explain(mesh, tuple(http as Tuple['http'])), { code: 'ERR_FLATPROXY_ARGUMENT', message })
    await assert.rejects(explain(mesh, { ...tuple({ host }), protocol: 'udp' }), /^.*http: it is of tcp alone/)
  })

  it('is asked by flatproxy explain', () => {
    const file = join(folder, 'mesh.json')
    writeFileSync(file, JSON.stringify(mesh))
    const run = (...args: string[]) =>
      spawnSync(
        process.execPath,
        [main, 'explain', file, '--on', 'left', '--from', '10.0.0.10:7', '--to', '10.0.0.1:80', ...args],
        { encoding: 'utf8' },
      )
    const { stdout, stderr } = run('--host', host, '--method', 'GET', '--path', '/cart', '--header', 'x-a: 1')
    assert.match(stdout, /web rules\[1\]/, stderr)
    assert.match(run('--header', 'nothing').stderr, /--header is "name: value", not 'nothing'/)
  })
})
