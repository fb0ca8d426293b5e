// Peers on the kernel's TCP that misbehave, and many at once, through listeners: everything ends, and nothing is left.
// timeout: 600 s
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Mesh, Stats } from '#lib/index.js'
import { bodyHash } from './body.js'
import { ifacePort, tapPort, meshOf, listeners } from './mesh.js'
import * as town from './town.js'

const many = 10_000
/** In front of the web server, but soon tired of peers that say nothing; in front of one with windows of one byte. */
const hasty = 83
const tiny = 84
const tinyPort = 8081

function meshWithHardPeers(mesh: Mesh): Mesh {
  const address = Object.values(town.virtual)
  const to = (listener: string, service: string, idle: `${number}${'s' | 'h'}`) => ({
    name: listener,
    listeners: [listener],
    rules: [{ backendRefs: [{ service }], timeouts: { idle } }],
  })
  return {
    ...mesh,
    services: {
      ...mesh.services,
      tiny: { address, port: tinyPort, endpoints: [{ workload: 'server', port: tinyPort }] },
    },
    listeners: {
      ...mesh.listeners,
      hasty: { address, port: hasty, protocol: 'tcp' },
      tiny: { address, port: tiny, protocol: 'tcp' },
    },
    routes: [...mesh.routes!, to('hasty', 'web', '1s'), to('tiny', 'tiny', '1h')],
  }
}

/** Connections of sockets that are made while it runs offer windows of one byte: half that memory, and no factor. */
async function withWindowsOfOneByte<Result>(side: town.Side, action: () => Promise<Result>): Promise<Result> {
  const before = (await town.run(side, 'sysctl', '-n', 'net.ipv4.tcp_rmem')).trim()
  town.sysctl(side, 'net.ipv4.tcp_window_scaling=0', 'net.ipv4.tcp_rmem=2 2 2')
  try {
    return await action()
  } finally {
    town.sysctl(side, 'net.ipv4.tcp_window_scaling=1', `net.ipv4.tcp_rmem=${before}`)
  }
}

const clientCommand = (act: string, family: town.Family, count = 1, port: number = listeners.web) =>
  [process.execPath, town.script('tcp-client.js'), act, town.virtual[family], String(port), String(count)] as const

/** What a client of tcp-client.ts has seen. */
const seenBy = async (...words: Parameters<typeof clientCommand>): Promise<unknown> =>
  JSON.parse(await town.run('client', ...clientCommand(...words)))

const kinds: readonly { name: string; veths: boolean; mesh: Mesh }[] = [
  { name: 'tap ports', veths: false, mesh: meshWithHardPeers(meshOf(tapPort)) },
  { name: 'iface ports', veths: true, mesh: meshWithHardPeers(meshOf(ifacePort('matched'))) },
]

describe('listeners', { skip: town.cannotRun }, () => {
  before(async () => {
    town.openTown()
    const serve = (port: number) => town.start('server', process.execPath, town.script('tcp-server.js'), String(port))
    await serve(town.serverPort)
    await withWindowsOfOneByte('server', () => serve(tinyPort))
  })
  after(town.closeTown)

  for (const { name, veths, mesh } of kinds)
    describe(`on ${name}`, () => {
      let proxy: ChildProcess
      let atRest: Stats
      before(async () => {
        if (veths) town.layVeths()
        proxy = await town.startProxy(mesh)
        atRest = await town.statsOf(proxy)
      })
      after(async () => {
        await town.stop(proxy)
        if (veths) town.removeVeths()
      })

      /** Once all connections have ended, no buffer is held that was not held at rest. */
      async function nothingIsLeft(): Promise<Stats> {
        const deadline = Date.now() + 10_000
        for (;;) {
          const stats = await town.statsOf(proxy)
          const active = Object.values(stats.listeners).reduce((sum, listener) => sum + listener.activeConnections, 0)
          const held = stats.lanes[0]!.buffersInUse
          if (active === 0 && held <= atRest.lanes[0]!.buffersInUse) return stats
          assert.ok(Date.now() < deadline, `${active} connections and ${held} buffers are left`)
          await sleep(50)
        }
      }

      for (const family of town.families) {
        it(`a client that ends first is answered all the same, ${family}`, async () => {
          assert.equal(await seenBy('half', family, 1_000_000), bodyHash(1_000_000))
        })
        it(`a server's reset is the client's, ${family}`, async () => {
          assert.equal(await seenBy('reset', family), 'ECONNRESET')
        })
        it(`a client's reset is the server's, ${family}`, async () => {
          const { resets } = (await town.statsOf(proxy)).listeners['web']!
          assert.equal(await seenBy('leave', family), 'left')
          const after = (await nothingIsLeft()).listeners['web']!
          assert.equal(after.resets, resets + 1)
        })
        it(`a reader that pauses holds the sender back, and loses nothing, ${family}`, async () => {
          const bytes = 100_000_000
          const { bytesDown } = (await town.statsOf(proxy)).listeners['web']!
          const seen = seenBy('pause', family, bytes)
          await sleep(2_500)
          const passedOn = (await town.statsOf(proxy)).listeners['web']!.bytesDown - bytesDown
          assert.equal(await seen, bodyHash(bytes))
          assert.ok(passedOn > 0 && passedOn < bytes / 2, `${passedOn} bytes were passed on while nobody read`)
          await nothingIsLeft()
        })
        it(`a client with a window of one byte gets all, ${family}`, async () => {
          const seen = await withWindowsOfOneByte('client', () => seenBy('pause', family, 10_000))
          assert.equal(seen, bodyHash(10_000))
          await nothingIsLeft()
        })
        it(`a server with a window of one byte gets all, ${family}`, async () => {
          const seen = await withWindowsOfOneByte('server', () => seenBy('half', family, 10_000, tiny))
          assert.equal(seen, bodyHash(10_000))
          await nothingIsLeft()
        })
        it(`a client that falls silent is given up, ${family}`, async () => {
          const before = (await town.statsOf(proxy)).listeners['hasty']!
          const client = await town.start('client', ...clientCommand('drain', family, 1_000_000_000, hasty))
          const speak = town.silence('client', town.virtual[family])
          const after = (await nothingIsLeft()).listeners['hasty']!
          speak()
          await town.stop(client, 'SIGKILL')
          assert.equal(after.idleTimeouts, before.idleTimeouts + 1)
        })
        it(`a server that falls silent is given up, and its client reset, ${family}`, async () => {
          const client = await town.start('client', ...clientCommand('drain', family, 1_000_000_000, hasty))
          const speak = town.silence('server', town.hosts.server.gateway[family])
          assert.equal(await town.nextLine(client), '"ECONNRESET"')
          await nothingIsLeft()
          speak()
        })
      }

      it(`${many} connections are open at once`, async () => {
        const client = await town.start('client', ...clientCommand('hold', veths ? 'v6' : 'v4', many))
        const stats = await town.statsOf(proxy)
        assert.equal(stats.listeners['web']!.activeConnections, many)
        await town.stop(client)
        await nothingIsLeft()
      })

      it(`${many} slow connections with segments of 100 bytes`, async () => {
        assert.equal(await seenBy('slow', veths ? 'v4' : 'v6', many), many)
        const { overLimit, noEndpoint, connectFailures } = (await nothingIsLeft()).listeners['web']!
        assert.deepEqual(
          { overLimit, noEndpoint, connectFailures },
          { overLimit: 0, noEndpoint: 0, connectFailures: 0 },
        )
      })
    })
})
