// The node whose interfaces flatproxy has: its own stack, its own connections, and what is left when flatproxy dies.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import type { ChildProcess } from 'node:child_process'
import { ifacePort, meshOf, services } from './mesh.js'
import {
  cannotRun,
  closeTown,
  families,
  hosts,
  layVeths,
  openTown,
  removeVeths,
  run,
  serverPort,
  startProxy,
  startServer,
  stop,
  urlHost,
  virtual,
  type Name,
} from './town.js'

const bytes = 10_000_000
const fetches = (place: Name, address: string, port: number, path: string, seconds: number) =>
  run(
    place,
    'curl',
    '-sf',
    '--max-time',
    String(seconds),
    '-o',
    '/dev/null',
    '-w',
    '%{size_download}',
    url(address, port, path),
  )
const url = (address: string, port: number, path: string) => `http://${urlHost(address)}:${port}${path}`

describe('the node', { skip: cannotRun }, () => {
  let proxy: ChildProcess
  before(async () => {
    openTown()
    await startServer(serverPort)
  })
  after(closeTown)
  beforeEach(() => layVeths())
  afterEach(async () => {
    await stop(proxy)
    removeVeths()
  })

  it('probes its workloads, as a kubelet does, though flatproxy takes all', async () => {
    proxy = await startProxy(meshOf(ifacePort('all')))
    for (const family of families) {
      assert.equal(await fetches('node', hosts.server[family], serverPort, '/small', 5), '5')
      assert.equal(await fetches('node', hosts.server[family], serverPort, `/body/${bytes}`, 20), String(bytes))
      await run('node', 'ping', '-c', '2', '-i', '0.02', '-W', '2', hosts.server[family])
    }
  })

  it('keeps its own connections whole where flatproxy takes what is matched', async () => {
    const direct = fetches('client', hosts.server.v4, serverPort, `/body/${bytes * 10}`, 60)
    proxy = await startProxy(meshOf(ifacePort('matched')))
    const claimed = families.map((family) => fetches('client', virtual[family], services.web, `/body/${bytes}`, 20))
    assert.deepEqual(await Promise.all(claimed), [String(bytes), String(bytes)])
    await stop(proxy)
    assert.equal(await direct, String(bytes * 10), 'a connection of the kernel that was there before, and after')
  })

  it('loses nothing of its own where flatproxy takes what is matched, whatever becomes of flatproxy', async () => {
    const pings = run('client', 'ping', '-q', '-c', '600', '-i', '0.005', '-W', '2', hosts.server.v4)
    for (const signal of ['SIGSTOP', 'SIGKILL', 'SIGTERM'] as const) {
      proxy = await startProxy(meshOf(ifacePort('matched')))
      if (signal === 'SIGSTOP') {
        proxy.kill(signal)
        await sleep(400) // twice the watchdog
        proxy.kill('SIGCONT')
      }
      await stop(proxy, signal === 'SIGSTOP' ? 'SIGTERM' : signal)
    }
    assert.match(await pings, /600 packets transmitted, 600 received, 0% packet loss/)
  })

  for (const take of ['all', 'matched'] as const)
    it(`has its interfaces back within a second when a proxy that takes ${take} is killed under traffic`, async () => {
      proxy = await startProxy(meshOf(ifacePort(take)))
      const traffic = fetches('client', virtual.v4, services.web, `/body/${bytes * 100}`, 3).catch(() => undefined)
      await sleep(300)
      await stop(proxy, 'SIGKILL')
      for (const family of families)
        assert.equal(await fetches('client', hosts.server[family], serverPort, '/small', 1), '5')
      await traffic
      // Nothing of the dead one is in the way of the next.
      proxy = await startProxy(meshOf(ifacePort(take)))
      assert.equal(await fetches('client', virtual.v4, services.web, '/small', 5), '5')
    })
})
