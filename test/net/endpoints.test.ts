// Endpoints that are killed, stopped and started again while requests come: a rule that tries again loses none of them.
// timeout: 300 s
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { after, before, beforeEach, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { endLoad, requestMesh, startLoad } from './requests.js'
import * as town from './town.js'

const ports = [8091, 8092, 8093]
const connections = 48

const meshWith = (balance: 'maglev' | 'roundRobin' | 'leastRequest') =>
  requestMesh({
    ports,
    service: { balance, http: { eject: { failures: 3, for: '1s' } } },
    rule: {
      timeouts: { backendRequest: '1s' },
      retry: { attempts: 5, backoff: '10ms', on: ['connectFailure', 'reset', 'timeout'] },
    },
  })

describe('endpoints under load', { skip: town.cannotRun }, () => {
  const servers: ChildProcess[] = []
  before(async () => {
    town.openTown()
    for (const port of ports) servers.push(await town.startServer(port))
  })
  after(town.closeTown)

  for (const balance of ['maglev', 'roundRobin', 'leastRequest'] as const)
    describe(balance, () => {
      let proxy: ChildProcess
      let load: ChildProcess
      before(async () => (proxy = await town.startProxy(meshWith(balance))))
      after(() => town.stop(proxy))
      beforeEach(async () => (load = await startLoad(connections)))

      async function assertNoneIsLost(retried: number): Promise<void> {
        const { ends, connections: used } = await endLoad(load)
        const { http } = (await town.statsOf(proxy)).listeners['requests']!
        assert.deepEqual(Object.keys(ends), ['200'], JSON.stringify([ends, http.outcomes]))
        assert.equal(used, connections, 'no connection was lost')
        assert.equal(http.activeRequests, 0)
        assert.ok(http.retries > retried, 'some were in trouble')
      }
      const retries = async () => (await town.statsOf(proxy)).listeners['requests']!.http.retries

      it('requests outlive those that are killed, one after the other', async () => {
        const before = await retries()
        for (const [index, port] of ports.entries()) {
          await town.stop(servers[index]!, 'SIGKILL')
          await sleep(300)
          servers[index] = await town.startServer(port)
          await sleep(300)
        }
        await assertNoneIsLost(before)
      })
      it('requests outlive one that is stopped for a while', async () => {
        const before = await retries()
        servers[0]!.kill('SIGSTOP')
        await sleep(1_600)
        servers[0]!.kill('SIGCONT')
        await sleep(400)
        await assertNoneIsLost(before)
      })
    })
})
