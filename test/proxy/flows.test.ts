// Packets cross a proxy between memory ports, and what JavaScript sees of it.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { defineMesh, FlatProxy, openMetrics, type Flow, type FlatProxyEvent } from '#lib/index.js'
import { Host, type Packet } from './host.js'

const mesh = defineMesh({
  ports: {
    left: { type: 'memory', own: ['10.0.0.1/24'] },
    right: { type: 'memory', own: ['10.0.1.1/24'] },
  },
  workloads: { web1: { on: 'right', addresses: ['10.0.1.11'] } },
  services: {
    web: { address: '10.96.0.10', port: 80, endpoints: [{ workload: 'web1', port: 8080 }] },
    dns: { address: '10.96.0.10', port: 53, protocol: 'udp', endpoints: [{ address: '10.0.1.11', port: 5353 }] },
  },
})

async function hosts(proxy: FlatProxy) {
  const client = await new Host(proxy.port('left'), '02:00:00:00:00:0a', '10.0.0.10', '10.0.0.1').join()
  const server = await new Host(proxy.port('right'), '02:00:00:00:00:0b', '10.0.1.11', '10.0.1.1').join()
  return { client, server }
}

const all = async (flows: AsyncIterable<Flow>) => {
  const list: Flow[] = []
  for await (const flow of flows) list.push(flow)
  return list
}

for (const lanes of [1, 2] as const)
  describe(`a service, with ${lanes} lane${lanes > 1 ? 's' : ''}`, () => {
    let proxy: FlatProxy
    let client: Host
    let server: Host
    const events: FlatProxyEvent[] = []

    before(async () => {
      proxy = await FlatProxy.start({ mesh, lanes })
      void (async () => {
        for await (const batch of proxy.events({ types: ['flow:open', 'flow:close'] })) events.push(...batch.events)
      })()
      ;({ client, server } = await hosts(proxy))
    })
    after(() => proxy.close())

    it('carries a UDP exchange, translated both ways', async () => {
      client.send({ protocol: 'udp', from: '10.0.0.10:4000', to: '10.96.0.10:53', payload: 'question' })
      const question = await server.expect({ protocol: 'udp', payload: 'question' })
      assert.deepEqual(question, {
        protocol: 'udp',
        from: '10.0.0.10:4000',
        to: '10.0.1.11:5353',
        payload: 'question',
      } satisfies Packet)
      server.send({ protocol: 'udp', from: '10.0.1.11:5353', to: '10.0.0.10:4000', payload: 'answer' })
      const answer = await client.expect({ payload: 'answer' })
      assert.equal(answer.from, '10.96.0.10:53')
    })

    it('carries a TCP connection', async () => {
      const there = { protocol: 'tcp', from: '10.0.0.10:4001', to: '10.96.0.10:80' } as const
      const back = { protocol: 'tcp', from: '10.0.1.11:8080', to: '10.0.0.10:4001' } as const
      client.send({ ...there, flags: 'S', sequence: 100 })
      assert.equal((await server.expect({ flags: 'S' })).to, '10.0.1.11:8080')
      server.send({ ...back, flags: 'SA', sequence: 500, acknowledgment: 101 })
      assert.equal((await client.expect({ flags: 'SA' })).from, '10.96.0.10:80')
      client.send({ ...there, flags: 'A', sequence: 101, acknowledgment: 501 })
      client.send({ ...there, flags: 'PA', sequence: 101, acknowledgment: 501, payload: 'GET /' })
      assert.equal((await server.expect({ flags: 'PA' })).payload, 'GET /')
      server.send({ ...back, flags: 'PA', sequence: 501, acknowledgment: 106, payload: '200 OK' })
      assert.equal((await client.expect({ flags: 'PA' })).payload, '200 OK')
    })

    it('lists the flows by the names of the mesh', async () => {
      const [tcp, ...others] = await all(proxy.flows({ service: 'web' }))
      assert.deepEqual(others, [])
      const { openedAt, bytes, ...flow } = tcp!
      assert.deepEqual(flow, {
        on: 'left',
        protocol: 'tcp',
        from: '10.0.0.10:4001',
        to: '10.96.0.10:80',
        service: 'web',
        endpoint: 'web1',
        verdict: 'forward',
        reason: 'service_forwarded',
        tier: 'lane',
        packets: 5,
        state: 'established',
      })
      assert.ok(Math.abs(Date.now() - openedAt) < 10_000)
      assert.equal(bytes, 5 * 40 + 'GET /'.length + '200 OK'.length)
    })

    it('filters flows, and stops at the limit', async () => {
      const count = async (filter: Parameters<FlatProxy['flows']>[0]) => (await all(proxy.flows(filter))).length
      assert.equal(await count({}), 2)
      assert.equal(await count({ limit: 1 }), 1)
      assert.equal(await count({ protocol: 'udp' }), 1)
      assert.equal(await count({ workload: 'web1' }), 2)
      assert.equal(await count({ workload: 'none' }), 0)
      assert.equal(await count({ service: 'none' }), 0)
      assert.equal(await count({ tier: 'kernel' }), 0)
      assert.equal(await count({ verdict: 'drop' }), 0)
    })

    it('tells of flows that open', async () => {
      for (let tries = 0; events.length < 2 && tries < 100; tries++) await new Promise((done) => setTimeout(done, 10))
      const opened = events.filter(({ type }) => type === 'flow:open')
      const services = opened.map((event) => (event as FlatProxyEvent<'flow:open'>).flow.service)
      assert.deepEqual(services.sort(), ['dns', 'web'])
    })

    it('counts', async () => {
      const stats = await proxy.stats()
      assert.equal(stats.generation, 1)
      assert.equal(stats.lanes.length, lanes)
      assert.equal(stats.services['web']!.packets, 5)
      assert.equal(stats.services['web']!.newFlows, 1)
      assert.equal(stats.services['web']!.activeFlows, 1)
      assert.equal(stats.services['dns']!.packets, 2)
      assert.equal(stats.reasons['service_forwarded']!.packets, 7)
      assert.equal(stats.lostEvents, 0)
      assert.ok(stats.ports['left']!.receivedPackets >= 5)
      assert.equal(
        stats.lanes.reduce((sum, lane) => sum + lane.flows, 0),
        2,
      )
      assert.ok(stats.lanes.every(({ busy, flowCapacity }) => busy >= 0 && busy <= 1 && flowCapacity === 262_144))
      assert.match(openMetrics(stats), /^flatproxy_service_packets_total\{service="web"\} 5$/m)
    })
  })

describe('a flow under policies', () => {
  const receive = { name: 'receive', to: { workload: 'web1' }, from: { cidr: '10.0.0.0/24' }, action: 'allow' } as const
  const send = { name: 'send', direction: 'egress', from: { cidr: '10.0.0.10/32' }, action: 'allow' } as const
  const none = { name: 'none', to: { workload: 'web1' }, from: { cidr: '192.0.2.0/24' }, action: 'deny' } as const

  it('is told and listed with the name of the one that allows it at present', async () => {
    await using proxy = await FlatProxy.start({ mesh: { ...mesh, policies: [none, send, receive] } })
    const opened = proxy.events({ types: ['flow:open'] }).next()
    const { client, server } = await hosts(proxy)
    client.send({ protocol: 'udp', from: '10.0.0.10:4000', to: '10.96.0.10:53', payload: 'question' })
    await server.expect({ payload: 'question' })
    const batch = (await opened).value as { events: FlatProxyEvent<'flow:open'>[] }
    assert.deepEqual(
      batch.events.map(({ flow }) => flow.policy),
      ['receive'],
    )
    const listed = async () => (await all(proxy.flows())).map(({ policy }) => policy)
    assert.deepEqual(await listed(), ['receive'])
    await proxy.patch({ policies: [send, none] })
    assert.deepEqual(await listed(), ['send'])
    await proxy.patch({ policies: [none] })
    const [flow] = await all(proxy.flows())
    assert.ok(!('policy' in flow!))
  })
})

describe('a memory port', () => {
  it('takes what its queue has room for, and says how much', async () => {
    const proxy = await FlatProxy.start({ mesh })
    const frame = new Uint8Array(64)
    const taken = proxy.port('left').send(Array<Uint8Array>(100_000).fill(frame))
    assert.ok(taken > 0 && taken <= 100_000)
    await proxy.close()
  })

  it('refuses what is no frame', async () => {
    const proxy = await FlatProxy.start({ mesh })
    const port = proxy.port('left')
    const refused = { code: 'ERR_FLATPROXY_ARGUMENT' }
    assert.throws(() => port.send('frames' as never), refused)
    assert.throws(() => port.send([new Uint8Array(0)]), refused)
    assert.throws(() => port.send([new Uint8Array(70_000)]), refused)
    assert.throws(() => port.send([new Uint16Array(64) as never]), refused)
    assert.throws(() => proxy.port('none'), refused)
    await proxy.close()
    assert.throws(() => port.send([new Uint8Array(64)]), { code: 'ERR_FLATPROXY_CLOSED' })
  })

  it('ends its iterations with the proxy', async () => {
    const proxy = await FlatProxy.start({ mesh })
    const received = (async () => {
      let count = 0
      for await (const frames of proxy.port('left')) count += frames.length
      return count
    })()
    await new Promise((done) => setTimeout(done, 20))
    await proxy.close()
    assert.equal(await received, 0)
  })
})
