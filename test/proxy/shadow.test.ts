// What another mesh would do to the flows of a proxy that runs; nothing comes of it.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  FlatProxy,
  FlatProxyError,
  MeshError,
  UnsupportedError,
  type FlowShadow,
  type Mesh,
  type Shadowed,
} from '#lib/index.js'
import { EngineShadow, type Records, type ShadowSource } from '#lib/proxy/shadow.js'
import { recordBytes } from '#lib/native.js'
import { Host } from './host.js'

const mesh = (more: Partial<Mesh> = {}): Mesh => ({
  ports: {
    left: { type: 'memory', own: ['10.0.0.1/24'] },
    right: { type: 'memory', own: ['10.0.1.1/24'] },
  },
  workloads: {
    client: { on: 'left', addresses: ['10.0.0.10'] },
    dns: { on: 'right', addresses: ['10.0.1.5'], labels: { app: 'dns' } },
  },
  services: { dns: { address: '10.96.0.10', port: 53, protocol: 'udp', endpoints: [{ workload: 'dns', port: 5353 }] } },
  ...more,
})
const open = mesh()
const shut = mesh({ policies: [{ name: 'no-dns', to: { workload: 'dns' }, action: 'deny' }] })

async function start(of: Mesh) {
  const proxy = await FlatProxy.start({ mesh: of })
  const client = await new Host(proxy.port('left'), '02:00:00:00:00:0a', '10.0.0.10', '10.0.0.1').join()
  await new Host(proxy.port('right'), '02:00:00:00:00:0b', '10.0.1.5', '10.0.1.1').join()
  const ask = (port: number, to = '10.96.0.10:53') =>
    client.send({ protocol: 'udp', from: `10.0.0.10:${port}`, to, payload: 'x' })
  return { proxy, ask, [Symbol.asyncDispose]: () => proxy.close() }
}

/** Until so many of the proxy's packets have ended so. */
async function ended(proxy: FlatProxy, reason: string, packets: number) {
  while (((await proxy.stats()).reasons[reason]?.packets ?? 0) < packets);
}

const inBrief = ({ flow, now, then }: Shadowed) => [flow.from, now.reason, then.reason]
async function one(shadow: FlowShadow): Promise<Shadowed> {
  const told = await shadow.next()
  assert.ok(!told.done)
  return told.value
}
async function all(shadow: AsyncIterable<Shadowed>) {
  const told: Shadowed[] = []
  for await (const each of shadow) told.push(each)
  return told
}

describe('proxy.shadow(mesh)', () => {
  it('tells flows that run, and those that open, which the other mesh would refuse; nothing changes', async () => {
    await using node = await start(open)
    const { proxy, ask } = node
    ask(5000)
    await ended(proxy, 'service_forwarded', 1)
    const shadow = proxy.shadow(shut)
    const first = await one(shadow)
    assert.deepEqual(inBrief(first), ['10.0.0.10:5000', 'service_forwarded', 'policy_denied'])
    const { flow, now, then } = first
    assert.deepEqual([flow.service, flow.endpoint, flow.packets], ['dns', 'dns', 1])
    assert.deepEqual([now.verdict, now.policy, now.exit], ['forward', undefined, 'right'])
    assert.deepEqual([then.verdict, then.policy, then.exit], ['drop', 'no-dns', undefined])
    assert.match(then.toString(), /policy ingress no-dns: deny/)
    ask(5001)
    assert.deepEqual(inBrief(await one(shadow)), ['10.0.0.10:5001', 'service_forwarded', 'policy_denied'])
    assert.equal(shadow.judged, 2)
    assert.equal(shadow.lost, 0)
    await shadow.return!()
    assert.deepEqual([proxy.generation, proxy.mesh.policies], [1, undefined])
    ask(5000)
    await ended(proxy, 'service_forwarded', 3)
    assert.equal((await proxy.stats()).reasons['policy_denied']?.packets ?? 0, 0)
  })

  it('tells flows that are refused, which the other mesh would let pass', async () => {
    await using node = await start(shut)
    const { proxy, ask } = node
    ask(5000)
    await ended(proxy, 'policy_denied', 1)
    const shadow = proxy.shadow(open)
    const first = await one(shadow)
    assert.deepEqual(inBrief(first), ['10.0.0.10:5000', 'policy_denied', 'service_forwarded'])
    assert.deepEqual([first.flow.verdict, first.now.policy, first.then.endpoint], ['drop', 'no-dns', 'dns'])
    ask(5001)
    assert.deepEqual(inBrief(await one(shadow)), ['10.0.0.10:5001', 'policy_denied', 'service_forwarded'])
    await shadow.return!()
  })

  it('tells other endpoints and other ports, in the words of the other mesh', async () => {
    const moved = mesh({
      ports: { ...open.ports, third: { type: 'memory', own: ['10.0.2.1/24'] } },
      services: {
        names: { address: '10.96.0.10', port: 53, protocol: 'udp', endpoints: [{ address: '10.0.2.7', port: 53 }] },
      },
    })
    await using node = await start(open)
    const { proxy, ask } = node
    const shadow = proxy.shadow(moved)
    // A flow that is older than the shadow would go on as it is.
    let port = 5000
    const asking = setInterval(() => ask(port++), 5)
    const { now, then } = await one(shadow)
    clearInterval(asking)
    assert.deepEqual([now.service, now.endpoint, now.exit], ['dns', 'dns', 'right'])
    assert.deepEqual([then.service, then.endpoint, then.exit], ['names', '10.0.2.7:53', 'third'])
    await shadow.return!()
  })

  it('follows the mesh in force', async () => {
    await using node = await start(open)
    const { proxy, ask } = node
    const shadow = proxy.shadow(shut)
    ask(5000)
    await ended(proxy, 'service_forwarded', 1)
    assert.equal((await one(shadow)).flow.from, '10.0.0.10:5000')
    const next = one(shadow)
    await proxy.apply({ ...shut, workloads: { ...shut.workloads, more: { on: 'left', addresses: ['10.0.0.77'] } } })
    ask(5001)
    while (shadow.judged < 2) await new Promise((resolve) => setTimeout(resolve, 1))
    await proxy.apply(mesh({ services: { ...open.services, other: { port: 1, endpoints: [] } } }))
    ask(5002)
    const told = await next
    assert.equal(told.flow.from, '10.0.0.10:5002', 'the one before is refused by both')
    assert.equal(told.then.policy, 'no-dns')
    await shadow.return!()
  })

  it('ends after its duration, with nothing to tell where nothing differs', async () => {
    await using node = await start(open)
    const { proxy, ask } = node
    ask(5000)
    await ended(proxy, 'service_forwarded', 1)
    const shadow = proxy.shadow(
      mesh({ workloads: { ...open.workloads, new: { on: 'left', addresses: ['10.0.0.9'] } } }),
      {
        duration: 50,
      },
    )
    assert.deepEqual(await all(shadow), [])
    assert.equal(shadow.judged, 1)
    assert.deepEqual(await shadow.next(), { done: true, value: undefined })
  })

  it('ends with the proxy, and by its signal', async () => {
    const { proxy } = await start(open)
    const controller = new AbortController()
    const aborted = all(proxy.shadow(shut, { signal: controller.signal }))
    const closed = all(proxy.shadow(shut))
    setTimeout(() => controller.abort(), 20)
    await assert.rejects(aborted, { name: 'AbortError' })
    await proxy.close()
    assert.deepEqual(await closed, [])
    assert.throws(() => proxy.shadow(shut), { code: 'ERR_FLATPROXY_CLOSED' })
  })

  it('refuses what could not be put in force, and goes on', async () => {
    await using node = await start(open)
    const { proxy, ask } = node
    const bad = (other: unknown, options?: object) => proxy.shadow(other as Mesh, options).next()
    await assert.rejects(bad({ ...open, workloads: { x: { on: 'nowhere', addresses: [] } } }), MeshError)
    await assert.rejects(bad({ ...open, flows: { capacity: 1024 } }), UnsupportedError)
    await assert.rejects(
      bad({ ...open, ports: { ...open.ports, left: { type: 'memory', own: ['10.0.0.1/24'], queue: 64 } } }),
      FlatProxyError,
    )
    for (const options of [{ duration: 'soon' }, { until: 3 }, { signal: {} }])
      await assert.rejects(bad(shut, options), { code: 'ERR_FLATPROXY_ARGUMENT' })
    await proxy.apply(shut)
    ask(5000)
    await ended(proxy, 'policy_denied', 1)
  })
})

describe('a shadow that is not taken from', () => {
  it('keeps so many events, and counts what is beyond', async () => {
    let heard: Parameters<ShadowSource['listen']>[0] = () => assert.fail('nobody listens')
    const source = {
      addon: {},
      listen: (by: typeof heard) => ((heard = by), () => {}),
      plan: () => new Promise<never>(() => {}),
      over: () => {},
    }
    const shadow = new EngineShadow(undefined, source as unknown as ShadowSource)
    void shadow.next()
    await Promise.resolve()
    const events = (count: number): Records => ({
      records: new ArrayBuffer(count * recordBytes),
      areEvents: true,
      now: 0,
    })
    heard(events(60_000), 3)
    assert.equal(shadow.lost, 3)
    heard(events(6_000), 0)
    assert.equal(shadow.lost, 6_003)
    heard(events(5_000), 0)
    assert.equal(shadow.lost, 6_003)
    heard(undefined, 2)
    assert.equal(shadow.lost, 6_005)
  })
})
