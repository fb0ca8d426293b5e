// Requests through listeners of protocol http, with real clients and servers: curl, wrk, Node, nginx.
// timeout: 300 s
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { after, before, describe, it } from 'node:test'
import type { Mesh } from '#lib/index.js'
import { bodyHash } from './body.js'
import { rowsOf, type Row } from '../http/rows.js'
import { ifacePort, meshOf, tapPort } from './mesh.js'
import type { Seen } from './message-client.js'
import * as town from './town.js'

const port = 82
const lonely = 8099
/** A listener whose requests reach a server that tells what it has seen, as they are. */
const messages = { listener: 83, server: 8082 }

/** Beside what {@link meshOf} has: a listener for requests in front of the web server, and of a port where nobody is. */
function meshWithRequests(mesh: Mesh): Mesh {
  const address = Object.values(town.virtual)
  const path = (value: string) => ({ path: { type: 'PathPrefix', value } as const })
  return {
    ...mesh,
    services: {
      ...mesh.services,
      saw: { port: 80, endpoints: [{ workload: 'server', port: messages.server }] },
      lonely: { port: 80, endpoints: [{ workload: 'server', port: lonely }] },
      sticky: {
        port: 80,
        balance: 'roundRobin',
        sessionAffinity: { cookie: 'sid', ttl: '1h' },
        endpoints: [
          { workload: 'server', port: messages.server },
          { workload: 'server', port: town.serverPort },
        ],
      },
      both: {
        port: 80,
        balance: 'roundRobin',
        endpoints: [
          { workload: 'server', port: lonely },
          { workload: 'server', port: town.serverPort },
        ],
      },
    },
    listeners: {
      ...mesh.listeners,
      requests: { address, port, protocol: 'http' },
      messages: { address, port: messages.listener, protocol: 'http', http: { dotSegments: 'keep' } },
    },
    routes: [
      ...mesh.routes!,
      { name: 'messages', listeners: ['messages'], rules: [{ backendRefs: [{ service: 'saw' }] }] },
      {
        name: 'shop',
        listeners: ['requests'],
        hostnames: ['shop.example', '*.shop.example'],
        rules: [
          {
            matches: [path('/old')],
            filters: [
              {
                type: 'RequestRedirect',
                path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/new' },
                statusCode: 301,
              },
            ],
          },
          { matches: [path('/hello')], filters: [{ type: 'DirectResponse', status: 200, body: 'hello' }] },
          { matches: [path('/lonely')], backendRefs: [{ service: 'lonely' }] },
          { matches: [path('/sticky')], backendRefs: [{ service: 'sticky' }] },
          {
            matches: [path('/both')],
            filters: [{ type: 'URLRewrite', path: { type: 'ReplaceFullPath', replaceFullPath: '/small' } }],
            backendRefs: [{ service: 'both' }],
            retry: { attempts: 3, backoff: '1ms' },
          },
          {
            filters: [{ type: 'ResponseHeaderModifier', set: { 'x-by': 'flatproxy' } }],
            backendRefs: [{ service: 'web' }],
          },
        ],
      },
    ],
  }
}

/** What is wrong with what has become of a row of the table of messages; undefined: nothing. */
function faultOf({ expect, node }: Row, { saw, statuses }: Seen): string | undefined {
  const expected = expect.messages.map(({ start, body }) => `${start} ${body}`)
  const seen = saw.map((text) => text.replace(/ .* /, ' '))
  const { status, then = 'open' } = expect
  if (status !== undefined && statuses.at(-1) !== status) return `answered with ${statuses.join()}, not ${status}`
  if (then === 'tunnel') return undefined
  // HEAD, CONNECT and what Node's server refuses by itself leave no trace, or a shorter one.
  const exact = node === 'same' && then !== 'incomplete'
  const same = exact ? seen.join() === expected.join() : expected.join().startsWith(seen.join())
  return same ? undefined : `seen as ${seen.join()}, not ${expected.join()} (${statuses.join()})`
}

const urlOf = (family: town.Family, path: string) => `http://${town.urlHost(town.virtual[family])}:${port}${path}`
const curlAs = (host: string, family: town.Family, path: string, ...words: string[]) =>
  town.run('client', 'curl', '-sS', '--max-time', '20', '-H', `Host: ${host}`, ...words, urlOf(family, path))
const curl = (...words: [family: town.Family, path: string, ...rest: string[]]) => curlAs('shop.example', ...words)

const kinds: readonly { name: string; veths: boolean; mesh: Mesh }[] = [
  { name: 'tap ports', veths: false, mesh: meshWithRequests(meshOf(tapPort)) },
  { name: 'iface ports', veths: true, mesh: meshWithRequests(meshOf(ifacePort('matched'))) },
]

describe('requests', { skip: town.cannotRun }, () => {
  before(async () => {
    town.openTown()
    await town.startServer(town.serverPort)
    await town.start('server', process.execPath, town.script('saw-server.js'), String(messages.server))
  })
  after(town.closeTown)

  for (const { name, veths, mesh } of kinds)
    describe(`on ${name}`, () => {
      let proxy: ChildProcess
      before(async () => {
        if (veths) town.layVeths()
        proxy = await town.startProxy(mesh)
      })
      after(async () => {
        await town.stop(proxy)
        if (veths) town.removeVeths()
      })

      for (const family of town.families) {
        it(`a body of 20 MB comes whole, ${family}`, async () => {
          const bytes = 20_000_000
          const printed = await town.run(
            'client',
            'bash',
            ...['-o', 'pipefail', '-c'],
            `curl -sS --max-time 30 -H 'Host: shop.example' '${urlOf(family, `/body/${bytes}`)}' | sha256sum`,
          )
          assert.equal(printed.split(' ')[0], bodyHash(bytes))
        })
        it(`connections are kept for many requests, ${family}`, async () => {
          const printed = await curl(
            family,
            '/small',
            ...Array.from({ length: 20 }, () => urlOf(family, '/small')),
            '-w',
            '%{num_connects} ',
          )
          assert.equal(printed.match(/1 /g)!.length, 1, printed)
          assert.equal(printed.match(/0 /g)!.length, 20, printed)
        })
      }
      it('a response is changed as its rule says', async () => {
        assert.match(
          await curl('v4', '/small', '-i'),
          /^HTTP\/1\.1 200 OK\r\n(?:[^]*\r\n)?x-by: flatproxy\r\n[^]*\r\nsmall$/,
        )
      })
      it('a redirect keeps what it does not change', async () => {
        const answer = await curl('v4', '/old/a?b=c', '-i')
        assert.match(
          answer,
          /^HTTP\/1\.1 301 Moved Permanently\r\nLocation: http:\/\/shop\.example:82\/new\/a\?b=c\r\n/,
        )
      })
      it('a direct response needs no endpoint', async () => {
        assert.equal(await curl('v4', '/hello'), 'hello')
      })
      it('a host that no route has is answered with 404', async () => {
        assert.match(await curlAs('other.example', 'v4', '/small', '-i'), /^HTTP\/1\.1 404 /)
      })
      it('an endpoint that refuses is answered for with 503', async () => {
        assert.match(await curl('v4', '/lonely', '-i'), /^HTTP\/1\.1 503 /)
      })
      it('of hostile requests a server sees what they are, or nothing', async () => {
        const printed = await town.run(
          'client',
          process.execPath,
          town.script('message-client.js'),
          town.virtual.v4,
          String(messages.listener),
        )
        const rows = new Map(rowsOf('requests').map((row) => [`${row.file} ${row.name}`, row]))
        const wrong = (JSON.parse(printed) as Seen[]).flatMap((seen) => {
          const fault = faultOf(rows.get(`${seen.file} ${seen.name}`)!, seen)
          return fault === undefined ? [] : [`${seen.file} ${seen.name}: ${fault}`]
        })
        assert.deepEqual(wrong, [])
      })
      it('every request is counted once, by its end', async () => {
        const { http } = (await town.statsOf(proxy)).listeners['requests']!
        await curl('v4', '/hello')
        await curlAs('other.example', 'v4', '/')
        await curl('v4', '/lonely')
        await curlAs('a b', 'v4', '/')
        const { http: after } = (await town.statsOf(proxy)).listeners['requests']!
        const more = (key: string) => (after.outcomes[key] ?? 0) - (http.outcomes[key] ?? 0)
        assert.equal(after.requests - http.requests, 4)
        assert.deepEqual(['answered', 'no_route', 'connect_failed', 'bad_request'].map(more), [1, 1, 1, 1])
        assert.equal(after.refused['bad_host']! - http.refused['bad_host']!, 1)
        assert.equal(after.statuses['4xx'] - http.statuses['4xx'], 2)
        assert.equal(after.activeRequests, 0)
      })
      it('a request that one endpoint refuses another one answers', async () => {
        for (let i = 0; i < 10; ++i) assert.equal(await curl('v4', '/both'), 'small')
      })
      it('a client that keeps cookies stays with its endpoint', async () => {
        const urls = Array.from({ length: 5 }, () => urlOf('v4', '/sticky'))
        const bodies = (printed: string) => new Set(printed.match(/^(?:small|seen)/gm))
        const kept = await curl('v4', '/sticky', ...urls, '-i', '-w', '\\n', '-b', '')
        assert.equal(bodies(kept).size, 1, kept)
        const [cookie, ...more] = kept.match(/^Set-Cookie: .*(?=\r$)/gm)!
        assert.match(cookie, /^Set-Cookie: sid=[0-9a-f]{16}; Path=\/; HttpOnly; Max-Age=3600$/)
        assert.deepEqual(more, [], 'it is set once')
        assert.equal(bodies(await curl('v4', '/sticky', ...urls, '-w', '\\n')).size, 2)
      })
      it('a body that is sent comes whole', async () => {
        const printed = await town.run(
          'client',
          'sh',
          '-c',
          `head -c 3000000 /dev/zero | curl -sS --max-time 20 -H 'Host: shop.example' -H 'Transfer-Encoding: chunked' --data-binary @- '${urlOf('v4', '/count')}'`,
        )
        assert.equal(printed, '3000000')
      })
    })
})
