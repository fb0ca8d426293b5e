// The HTTP server of `flatproxy run --admin`: what it answers, and where it listens.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { FlatProxyError, openMetrics, openMetricsType, type Mesh, type Stats } from '#lib/index.js'
import { adminAddress, openAdmin, type Admin } from '#lib/cli/admin.js'
import { Readiness } from '#lib/cli/readiness.js'

const stats = {
  at: 0,
  generation: 7,
  ports: { a: { receivedPackets: 1, sentPackets: 2, spoofedPackets: 0 } },
  services: {},
  listeners: {},
  routes: {},
  endpoints: {},
  policies: {},
  accessLog: { written: 0, lost: 0 },
  tcp: {},
  roce: { classes: {} },
  reasons: {},
  lanes: [],
  lostEvents: 0,
} as unknown as Stats

const opened: Admin[] = []
after(() => Promise.all(opened.map((admin) => admin.close())))

async function open(address = ':0') {
  const proxy = {
    mesh: { ports: { a: { type: 'memory' }, b: { type: 'memory', mtu: 1_400 } } } as Mesh,
    failure: undefined as Error | undefined,
    stats: () => (proxy.failure ? Promise.reject(proxy.failure) : Promise.resolve(stats)),
  }
  const ready = new Readiness(proxy)
  const admin = await openAdmin(adminAddress(address), proxy, ready)
  opened.push(admin)
  return { proxy, ready, admin }
}

async function ask(admin: Admin, path: string, method = 'GET') {
  const asked = request(`${admin.address}${path}`, { method, agent: false }).end()
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += chunk
  const { statusCode, headers } = response
  return { status: statusCode, type: headers['content-type'], length: Number(headers['content-length']), headers, text }
}

describe('the admin server', () => {
  it('has the counters as OpenMetrics', async () => {
    const { admin } = await open()
    const { status, type, text, length } = await ask(admin, '/metrics')
    assert.deepEqual([status, type, text], [200, openMetricsType, openMetrics(stats)])
    assert.deepEqual(await ask(admin, '/metrics?name=x').then(({ status }) => status), 200)
    const head = await ask(admin, '/metrics', 'HEAD')
    assert.deepEqual([head.status, head.type, head.text, head.length], [200, openMetricsType, '', length])
  })

  it('says when ports are down, and when no new flows are taken', async () => {
    const { admin, proxy, ready } = await open()
    const said = async () => {
      const { status, text } = await ask(admin, '/ready')
      return `${status} ${text}`
    }
    const tell = (type: 'port:up' | 'port:down', port: string, reason = '') => ready.tell({ type, at: 0, port, reason })
    assert.equal(await said(), '200 ready\n')
    tell('port:down', 'a', 'the interface is gone')
    assert.equal(await said(), '503 port a is down: the interface is gone\n')
    tell('port:down', 'b')
    assert.equal(await said(), '503 port a is down: the interface is gone\nport b is down\n')
    assert.deepEqual(await ask(admin, '/ready', 'HEAD').then(({ status, text }) => [status, text]), [503, ''])
    tell('port:up', 'a')
    assert.equal(await said(), '503 port b is down\n')
    proxy.mesh = { ports: { a: { type: 'memory' }, b: { type: 'memory', mtu: 1_400 } } }
    assert.equal(await said(), '503 port b is down\n', 'the same port, in another mesh')
    proxy.mesh = { ports: { a: { type: 'memory' }, b: { type: 'memory' } } }
    assert.equal(await said(), '200 ready\n', 'another port of that name')
    tell('port:down', 'gone')
    assert.equal(await said(), '200 ready\n')
    ready.drain()
    assert.equal(await said(), '503 draining: new flows are refused\n')
  })

  it('has nothing else', async () => {
    const { admin, proxy } = await open()
    for (const path of ['/', '/metrics/', '/Ready', '/constructor', '/ready%20'])
      assert.equal((await ask(admin, path)).status, 404, path)
    const { status, text, type } = await ask(admin, '/nope')
    assert.deepEqual([status, text, type], [404, 'there are /metrics and /ready\n', 'text/plain; charset=utf-8'])
    for (const method of ['POST', 'DELETE', 'OPTIONS']) {
      const { status, headers } = await ask(admin, '/ready', method)
      assert.deepEqual([status, headers.allow], [405, 'GET, HEAD'])
    }
    for (const [code, status] of [
      ['CLOSED', 503],
      ['INTERNAL', 500],
    ] as const) {
      proxy.failure = new FlatProxyError(`ERR_FLATPROXY_${code}`, 'there are none')
      const answer = await ask(admin, '/metrics')
      assert.deepEqual([answer.status, answer.text], [status, 'there are none\n'])
    }
  })

  it('ends with its connections, also one that says nothing', async () => {
    const { admin } = await open()
    const socket = connect(Number(new URL(admin.address).port), '127.0.0.1')
    await once(socket, 'connect')
    socket.on('error', () => {}) // a reset is an end, too
    socket.write('GET /ready HTTP/1.1\r\n')
    const closed = new Promise((done) => socket.once('close', done))
    await admin.close()
    await closed
  })

  it('listens where it is told', async () => {
    assert.deepEqual(adminAddress('127.0.0.1:9090'), { host: '127.0.0.1', port: 9090 })
    assert.deepEqual(adminAddress('[::1]:0'), { host: '::1', port: 0 })
    assert.deepEqual(adminAddress(':65535'), { host: '127.0.0.1', port: 65_535 })
    assert.deepEqual(adminAddress('localhost:1'), { host: 'localhost', port: 1 })
    for (const bad of [
      '',
      '9090',
      ':',
      '::1:9090',
      '[::1]',
      '[1.2.3.4]:1',
      '[]:1',
      ':65536',
      'a:b',
      'a:1 ',
      '[::1]9090',
    ])
      assert.throws(() => adminAddress(bad), /--admin is an address such as/, bad)
    const { admin } = await open('[::1]:0')
    assert.match(admin.address, /^http:\/\/\[::1\]:\d+$/)
    assert.equal((await ask(admin, '/ready')).status, 200)
    const rejected = async (address: string, code: string, message: RegExp) =>
      assert.rejects(open(address), { code: `ERR_FLATPROXY_${code}`, message })
    const { port } = new URL(admin.address)
    await rejected(
      `[::1]:${port}`,
      'IN_USE',
      new RegExp(`^cannot listen on \\[::1\\]:${port} for --admin: .*EADDRINUSE`),
    )
    await rejected('192.0.2.1:0', 'NOT_FOUND', /EADDRNOTAVAIL/)
  })

  it('keeps no process alive', async () => {
    const admin = join(process.cwd(), 'dist/cli/admin.js')
    const code = `require(${JSON.stringify(admin)}).openAdmin({ host: '127.0.0.1', port: 0 }, {}, {}).then(() => console.log('open'))`
    const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [said] = (await once(child.stdout, 'data')) as [Buffer]
    assert.equal(said.toString(), 'open\n')
    assert.deepEqual(await once(child, 'exit'), [0, null])
  })
})
