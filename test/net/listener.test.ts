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
const clientCommand = (act: string, family: town.Family, count = 1) =>
  [
    process.execPath,
    town.script('tcp-client.js'),
    act,
    town.virtual[family],
    String(listeners.web),
    String(count),
  ] as const

/** What a client of tcp-client.ts has seen. */
const seenBy = async (...words: Parameters<typeof clientCommand>): Promise<unknown> =>
  JSON.parse(await town.run('client', ...clientCommand(...words)))

const kinds: readonly { name: string; veths: boolean; mesh: Mesh }[] = [
  { name: 'tap ports', veths: false, mesh: meshOf(tapPort) },
  { name: 'iface ports', veths: true, mesh: meshOf(ifacePort('matched')) },
]

describe('listeners', { skip: town.cannotRun }, () => {
  before(async () => {
    town.openTown()
    await town.start('server', process.execPath, town.script('tcp-server.js'), String(town.serverPort))
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
          const { activeConnections } = stats.listeners['web']!
          const held = stats.lanes[0]!.buffersInUse
          if (activeConnections === 0 && held <= atRest.lanes[0]!.buffersInUse) return stats
          assert.ok(Date.now() < deadline, `${activeConnections} connections and ${held} buffers are left`)
          await sleep(50)
        }
      }

      for (const family of town.families) {
        it(`a client that ends first is answered all the same, ${family}`, async () => {
          assert.equal(await seenBy('half', family), bodyHash(1_000_000))
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
