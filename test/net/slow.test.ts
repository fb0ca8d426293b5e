// Clients that are slow at heads, bodies and reading, hundreds of each at once: they are ended in time, and cost the others
// nothing but a little time.
import assert from 'node:assert/strict'
import { spawnSync, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Mesh, Stats } from '#lib/index.js'
import type { Load } from './load-client.js'
import { endLoad, requestMesh, requestPort, startLoad } from './requests.js'
import type { SlowEnds } from './slow-client.js'
import * as town from './town.js'

/** Where others ask; and, so that it is the proxy that they share with the slow ones, where those do. */
const [port, slowPort] = [8096, 8097]
const timeouts = { request: '6s' } as const
const base = requestMesh({
  ports: [port],
  http: { headerTimeout: '2s', bodyTimeout: '3s', idleTimeout: '3s' },
  rule: { timeouts },
})
const mesh: Mesh = {
  ...base,
  services: { ...base.services, slow: { port: 80, endpoints: [{ workload: 'server', port: slowPort }] } },
  routes: [
    ...base.routes!,
    {
      name: 'slow',
      rules: [
        {
          matches: ['/body', '/count'].map((value) => ({ path: { type: 'PathPrefix', value } })),
          timeouts,
          backendRefs: [{ service: 'slow' }],
        },
      ],
    },
  ],
}
const each = 300
const others = 16
/** How the connections of a kind of slow clients end. */
const ends: Readonly<Record<string, SlowEnds>> = {
  head: { 408: each },
  body: { 504: each },
  stall: { 504: each },
  read: { cut: each },
}
/** Buffers of a lane: what frames and queues hold can be no more. */
const buffers = 8192 + 2048

describe('slow clients', { skip: town.cannotRun }, () => {
  let proxy: ChildProcess
  before(async () => {
    town.openTown()
    // So that what a client does not read stays with the proxy.
    town.sysctl('client', 'net.ipv4.tcp_rmem=4096 16384 32768')
    for (const at of [port, slowPort]) await town.startServer(at)
    proxy = await town.startProxy(mesh)
  })
  after(async () => {
    await town.stop(proxy)
    town.closeTown()
  })

  const listenerOf = (stats: Stats) => stats.listeners['requests']!
  const buffersOf = (stats: Stats) => stats.lanes.reduce((sum, lane) => sum + lane.buffersInUse, 0)

  /** What there is once clients have so many connections, and not much memory; or after 20 seconds. */
  async function statsWith(connections: number): Promise<Stats> {
    for (let tries = 0; ; tries++) {
      const stats = await town.statsOf(proxy)
      const { activeConnections } = listenerOf(stats)
      if ((activeConnections === connections && buffersOf(stats) < buffers / 20) || tries === 100) return stats
      await sleep(200)
    }
  }

  function assertServed({ ends, connections, slowest }: Load): void {
    assert.deepEqual(Object.keys(ends), ['200'], JSON.stringify(ends))
    assert.equal(connections, others)
    assert.ok(slowest < 5_000, `the slowest request took ${slowest} ms`)
  }
  function assertNothingIsLeft(stats: Stats, connections: number): void {
    const { activeConnections, http } = listenerOf(stats)
    assert.equal(activeConnections, connections)
    assert.ok(http.activeRequests <= connections, `${http.activeRequests} requests`)
    assert.ok(buffersOf(stats) < buffers / 20, `${buffersOf(stats)} buffers are in use`)
  }

  /** Starts those of a kind; gives what makes them say how they have ended. */
  async function startSlow(kind: string): Promise<() => Promise<SlowEnds>> {
    const words = [kind, town.virtual.v4, String(requestPort), String(each)]
    const client = await town.start('client', process.execPath, town.script('slow-client.js'), ...words)
    const line = town.nextLine(client)
    return async () => {
      client.kill('SIGTERM')
      return JSON.parse(await line) as SlowEnds
    }
  }

  it('are ended, each kind in its way, while others are served', async () => {
    const load = await startLoad(others)
    const kinds = Object.keys(ends)
    const endsOf = await Promise.all(kinds.map(startSlow))
    assert.ok(listenerOf(await town.statsOf(proxy)).activeConnections > 2 * each, 'they are there at once')
    assertNothingIsLeft(await statsWith(others), others)
    assertServed(await endLoad(load))
    const seen = await Promise.all(endsOf.map((end) => end()))
    assert.deepEqual(Object.fromEntries(kinds.map((kind, index) => [kind, seen[index]])), ends)
    const stats = await statsWith(0)
    assertNothingIsLeft(stats, 0)
    const { bad_request, body_timeout, request_timeout, completed } = listenerOf(stats).http.outcomes
    assert.equal(bad_request, each)
    assert.ok(body_timeout! + request_timeout! >= 2 * each)
    assert.ok(completed! > 100, `${completed} were served`)
  })

  const folder = mkdtempSync(join(tmpdir(), 'flatproxy-slow-'))
  after(() => rmSync(folder, { recursive: true }))
  const attacks = [
    { name: 'heads', mode: '-H', path: '/' },
    { name: 'bodies', mode: '-B', path: '/count' },
    { name: 'readers', mode: '-X', path: '/body/400000' },
  ]
  const skip = spawnSync('slowhttptest', ['-h']).error ? 'slowhttptest is not installed' : false
  for (const { name, mode, path } of attacks)
    it(`of slowhttptest do not keep it from its probes: ${name}`, { skip }, async () => {
      const url = `http://${town.virtual.v4}:${requestPort}${path}`
      const options = `-c ${each} -r ${each} -i 1 -l 3 -p 3 -g -o ${folder}/${name} -u ${url}`
      await town.run('client', 'slowhttptest', mode, ...options.split(' '))
      // Seconds,Closed,Pending,Connected,Service Available
      const [, ...lines] = readFileSync(`${folder}/${name}.csv`, 'utf8').trim().split('\n')
      const seconds = lines.map((line) => line.split(',').map(Number))
      assert.ok(Math.max(...seconds.map(([, , , connected]) => connected!)) > each / 2, lines.join(' '))
      assert.ok(
        seconds.every(([, , , , available]) => available! > 0),
        lines.join(' '),
      )
      assertNothingIsLeft(await statsWith(0), 0)
    })
})
