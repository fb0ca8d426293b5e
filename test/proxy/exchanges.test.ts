// What is told of requests: the access log, events, counters by route.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { after, before, describe, it } from 'node:test'
import { defineMesh, FlatProxy, openMetrics, type ExchangeRecord, type FlatProxyEvent } from '#lib/index.js'
import { End } from './end.js'
import { Host } from './host.js'

const folder = await mkdtemp(join(tmpdir(), 'flatproxy-exchanges-'))
after(() => rm(folder, { recursive: true }))
const file = join(folder, 'access.log')

const mesh = defineMesh({
  ports: { left: { type: 'memory', own: ['10.0.0.1/24'] } },
  listeners: { web: { on: 'left', address: '10.96.0.20', port: 80, protocol: 'http' } },
  routes: [
    {
      name: 'hello',
      rules: [
        {
          matches: [{ path: { type: 'PathPrefix', value: '/hello' } }],
          filters: [{ type: 'DirectResponse', status: 200, body: 'hello' }],
        },
      ],
    },
  ],
  accessLog: { file, format: '%method% %path% %status% %route% %bytesOut% %outcome%' },
})

/** Lines of a file, once there are so many. */
async function lines(path: string, count: number): Promise<string[]> {
  for (let tries = 0; ; tries++) {
    const found = (await readFile(path, 'utf8')).split('\n').slice(0, -1)
    if (found.length >= count || tries === 500) return found
    await wait(10)
  }
}

const refused = (code: string) => (error: unknown) => (error as { code: string }).code === `ERR_FLATPROXY_${code}`

describe('exchanges', () => {
  let proxy: FlatProxy
  let client: Host
  let port = 5000

  /** Asks once, over a connection of its own; resolves when the answer is there. */
  async function ask(path: string): Promise<string> {
    const end = new End(client, `10.0.0.10:${++port}`, '10.96.0.20:80', 100)
    end.send('S')
    end.took(await client.expect({ flags: 'SA', to: `10.0.0.10:${port}` }))
    end.send('PA', `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
    for (;;) {
      const packet = await client.expect({ to: `10.0.0.10:${port}` })
      if (packet.payload === undefined) continue
      end.took(packet)
      end.send('A')
      return packet.payload
    }
  }

  before(async () => {
    proxy = await FlatProxy.start({ mesh })
    client = await new Host(proxy.port('left'), '02:00:00:00:00:0a', '10.0.0.10', '10.0.0.1').join()
  })
  after(() => proxy.close())

  it('are lines of the access log', async () => {
    assert.match(await ask('/hello?a=1'), /^HTTP\/1.1 200 OK\r\n[^]*hello$/)
    await ask('/other')
    assert.deepEqual(await lines(file, 2), ['GET /hello?a=1 200 hello 5 answered', 'GET /other 404 - 10 no_route'])
    assert.deepEqual((await proxy.stats()).accessLog, { written: 2, lost: 0 })
  })

  it('are counted by route, with how long they took', async () => {
    const stats = await proxy.stats()
    const { latency, ...hello } = stats.routes['hello']!
    assert.deepEqual(hello, {
      requests: 1,
      active: 0,
      retries: 0,
      failures: 0,
      bytesUp: 0,
      bytesDown: 5,
      statuses: { '1xx': 0, '2xx': 1, '3xx': 0, '4xx': 0, '5xx': 0 },
    })
    assert.equal(latency.count, 1)
    assert.ok(latency.p50 > 0 && latency.p50 === latency.p9999 && latency.p50 < 1_000)
    assert.deepEqual(stats.endpoints, {})
    const text = openMetrics(stats)
    assert.match(text, /^flatproxy_route_requests_total\{route="hello"\} 1$/m)
    assert.match(text, /^flatproxy_route_duration_seconds_bucket\{route="hello",le="\+Inf"\} 1$/m)
    assert.match(text, /^flatproxy_access_log_lines_total 2$/m)
  })

  it('come to whoever listens', async () => {
    const told: ExchangeRecord[] = []
    const events = proxy.events({ types: ['exchange:end'] })
    const first = events.next()
    await ask('/hello')
    const batch = (await first).value as { events: FlatProxyEvent<'exchange:end'>[] }
    for (const { type, exchange } of batch.events) {
      assert.equal(type, 'exchange:end')
      told.push(exchange)
    }
    await events.return!()
    const [{ time, duration, firstByte, ...record }, ...others] = told as [ExchangeRecord]
    assert.deepEqual(others, [])
    assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000)
    assert.ok(duration >= 0 && firstByte! >= 0)
    assert.deepEqual(record, {
      listener: 'web',
      route: 'hello',
      service: null,
      endpoint: null,
      client: `10.0.0.10:${port}`,
      method: 'GET',
      host: 'a',
      path: '/hello',
      protocol: 'HTTP/1.1',
      status: 200,
      outcome: 'answered',
      flags: null,
      tries: 0,
      bytesIn: 0,
      bytesOut: 5,
      userAgent: null,
      referer: null,
      forwardedFor: null,
      requestId: null,
      traceparent: null,
    })
  })

  it('go to a new file when the old one was moved away', async () => {
    await lines(file, 3)
    await rename(file, `${file}.1`)
    await proxy.reopenLogs()
    await ask('/hello')
    assert.deepEqual(await lines(file, 1), ['GET /hello 200 hello 5 answered'])
    assert.equal((await lines(`${file}.1`, 3)).length, 3)
  })

  it('are logged as the mesh in force says', async () => {
    const json = join(folder, 'json.log')
    await proxy.patch({ accessLog: { file: json, format: 'json', sample: 0 } })
    await ask('/hello')
    await ask('/other')
    // Those that went wrong are logged, whatever the sample.
    const [line, ...others] = await lines(json, 1)
    assert.deepEqual(others, [])
    assert.equal((JSON.parse(line!) as ExchangeRecord).outcome, 'no_route')
    await proxy.patch({ accessLog: null })
    await ask('/other')
    assert.equal((await lines(json, 1)).length, 1)
    await proxy.reopenLogs()
  })

  it('change nothing when their log cannot be opened', async () => {
    const { generation } = proxy
    const nowhere = join(folder, 'nowhere', 'access.log')
    await assert.rejects(proxy.patch({ accessLog: { file: nowhere } }), refused('LOG'))
    assert.equal(proxy.generation, generation)
    assert.equal(proxy.mesh.accessLog, undefined)
    await assert.rejects(FlatProxy.start({ mesh: { ...mesh, accessLog: { file: nowhere } } }), refused('LOG'))
  })
})
