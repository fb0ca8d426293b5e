// apply() and patch(): what they put in force, what they refuse, and how long they hold whom.
import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { after, before, describe, it } from 'node:test'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { defineMesh, FlatProxy, type Mesh } from '#lib/index.js'
import { Host } from './host.js'

const mesh: Mesh = defineMesh({
  ports: { left: { type: 'memory', own: ['10.0.0.1/24'] }, right: { type: 'memory', own: ['10.0.1.1/24'] } },
  services: {
    dns: { address: '10.96.0.10', port: 53, protocol: 'udp', endpoints: [{ address: '10.0.1.11', port: 5353 }] },
  },
})

describe('a change', () => {
  let proxy: FlatProxy
  before(async () => (proxy = await FlatProxy.start({ mesh })))
  after(() => proxy.close())

  it('is in force when it is told', async () => {
    const { generation, changes, longestPauseMicroseconds } = await proxy.patch({
      services: { dns: { endpoints: [{ address: '10.0.1.12', port: 5353 }] } },
    })
    assert.equal(generation, 2)
    assert.equal(proxy.generation, 2)
    assert.deepEqual(changes.map(String), [
      'services.dns.endpoints[10.0.1.11:5353] removed',
      'services.dns.endpoints[10.0.1.12:5353] added',
    ])
    assert.ok(longestPauseMicroseconds >= 0)
    const client = await new Host(proxy.port('left'), '02:00:00:00:00:0a', '10.0.0.10', '10.0.0.1').join()
    const server = await new Host(proxy.port('right'), '02:00:00:00:00:0b', '10.0.1.12', '10.0.1.1').join()
    client.send({ protocol: 'udp', from: '10.0.0.10:4000', to: '10.96.0.10:53', payload: 'x' })
    assert.equal((await server.expect({ payload: 'x' })).to, '10.0.1.12:5353')
  })

  it('is refused whole, and changes nothing', async () => {
    const { generation, mesh: current } = proxy
    const bad = [
      [{ services: { dns: { port: 70_000 } } }, 'ERR_FLATPROXY_MESH'],
      [{ ports: { left: { type: 'memory', own: ['10.0.0.1/24'], mtu: 9000 } } }, 'ERR_FLATPROXY_UNSUPPORTED'],
      [{ flows: { capacity: 1024 } }, 'ERR_FLATPROXY_UNSUPPORTED'],
      [{ policyDefault: 'deny', flows: { track: 'services' } }, 'ERR_FLATPROXY_UNSUPPORTED'],
      [{ ports: { tap: { type: 'tap', netns: 'no-such-namespace' } } }, /^ERR_FLATPROXY_/],
    ] as const
    for (const [patch, code] of bad) {
      await assert.rejects(proxy.patch(patch), (error: Error & { code: string }) => {
        assert.match(error.code, typeof code === 'string' ? new RegExp(`^${code}$`) : code)
        return true
      })
      assert.equal(proxy.generation, generation)
      assert.equal(proxy.mesh, current)
    }
    await proxy.patch({ forward: [{ to: '192.0.2.0/24', on: 'right', via: '10.0.1.12' }] })
    assert.equal(proxy.generation, generation + 1)
  })

  it('comes in call order, and only on the generation that was expected', async () => {
    const { generation } = proxy
    const results = await Promise.allSettled([
      proxy.patch({ forward: [] }),
      proxy.apply(mesh),
      proxy.patch({ forward: [] }, { ifGeneration: generation }),
    ])
    assert.deepEqual(
      results.map((result) =>
        result.status === 'fulfilled' ? result.value.generation : (result.reason as { code: string }).code,
      ),
      [generation + 1, generation + 2, 'ERR_FLATPROXY_CONFLICT'],
    )
    assert.deepEqual(proxy.mesh, mesh)
  })

  it('can be called off', async () => {
    const { generation } = proxy
    await assert.rejects(proxy.apply(mesh, { signal: AbortSignal.abort() }), { name: 'AbortError' })
    assert.equal(proxy.generation, generation)
  })

  it('does not take the mesh away from who gave it', async () => {
    const own = structuredClone(mesh) as unknown as { services: { dns: { port: number } } }
    await proxy.apply(own as unknown as Mesh)
    own.services.dns.port = 54
    assert.equal(proxy.mesh.services!['dns']!.port, 53)
  })

  it('is told on flatproxy:apply', async () => {
    const told: unknown[] = []
    const listen = (message: unknown) => told.push(message)
    subscribe('flatproxy:apply', listen)
    const applied = await proxy.patch({ forward: [] })
    await assert.rejects(proxy.patch({ ports: null }))
    unsubscribe('flatproxy:apply', listen)
    assert.equal((told[0] as { applied: unknown }).applied, applied)
    assert.equal((told[1] as { error: { code: string } }).error.code, 'ERR_FLATPROXY_MESH')
  })

  it('removes and adds ports', async () => {
    await proxy.patch({ ports: { extra: { type: 'memory', own: ['10.0.2.1/24'] } } })
    const extra = proxy.port('extra')
    await new Host(proxy.port('extra'), '02:00:00:00:00:0c', '10.0.2.10', '10.0.2.1').join()
    const ended = (async () => {
      for await (const frames of extra) void frames
    })()
    await proxy.patch({ ports: { extra: null } })
    await ended
    assert.throws(() => proxy.port('extra'), { code: 'ERR_FLATPROXY_ARGUMENT' })
    assert.throws(() => extra.send([new Uint8Array(64)]), { code: 'ERR_FLATPROXY_CLOSED' })
  })
})

describe('1,000 services with 10,000 endpoints', () => {
  const services: Record<string, object> = { ...mesh.services }
  for (let index = 0; index < 1_000; index++)
    services[`service-${index}`] = {
      address: `10.96.${index >> 8}.${index & 255}`,
      port: 80,
      endpoints: Array.from({ length: 10 }, (_, at) => ({
        address: `10.1.${index >> 2}.${(index & 3) * 10 + at + 1}`,
        port: 8080,
      })),
    }
  const large = { ...mesh, services } as unknown as Mesh

  it('are applied, and one endpoint is patched, while the event loop turns', async () => {
    await using proxy = await FlatProxy.start({ mesh })
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    const applied = await proxy.apply(large)
    delay.disable()
    assert.equal(applied.generation, 2)
    assert.equal(Object.keys((await proxy.stats()).services).length, 1_001)
    const { changes } = await proxy.patch({
      services: { 'service-7': { endpoints: [{ address: '10.1.1.31', port: 8080 }] } },
    })
    assert.equal(changes.length, 9)
  })

  it('lose no packet of what runs, and hold no lane', async () => {
    await using proxy = await FlatProxy.start({ mesh })
    const client = await new Host(proxy.port('left'), '02:00:00:00:00:0a', '10.0.0.10', '10.0.0.1').join()
    const server = await new Host(proxy.port('right'), '02:00:00:00:00:0b', '10.0.1.11', '10.0.1.1').join()
    let received = 0
    server.onPacket = () => {
      received++
      server.received.length = 0
    }
    client.send({ protocol: 'udp', from: '10.0.0.10:4000', to: '10.96.0.10:53' })
    while (received === 0) await sleep(1)

    // As many flows as keep 512 datagrams on their way, while the meshes come and go.
    let sent = 1
    let changing = true
    const load = (async () => {
      while (changing) {
        for (; sent - received < 512; sent++)
          assert.equal(
            client.send({ protocol: 'udp', from: `10.0.0.10:${4000 + (sent % 100)}`, to: '10.96.0.10:53' }),
            1,
          )
        await turn()
      }
    })()
    const pauses: number[] = []
    for (const next of [large, mesh, large]) pauses.push((await proxy.apply(next)).longestPauseMicroseconds)
    changing = false
    await load
    for (const end = Date.now() + 5_000; received < sent && Date.now() < end;) await sleep(1)
    assert.ok(sent > 1_000)
    assert.equal(received, sent)
    assert.ok(Math.max(...pauses) <= 200, `a lane was held for ${Math.max(...pauses)} us of its CPU time`)
  })
})
