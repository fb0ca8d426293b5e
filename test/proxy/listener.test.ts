// A connection to a listener ends at the proxy: what its client and its endpoint see of it, and what JavaScript sees.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { defineMesh, FlatProxy, openMetrics, type Flow, type FlatProxyEvent } from '#lib/index.js'
import { End } from './end.js'
import { Host, type Packet } from './host.js'

const mesh = defineMesh({
  ports: {
    left: { type: 'memory', own: ['10.0.0.1/24'] },
    right: { type: 'memory', own: ['10.0.1.1/24'] },
  },
  workloads: { db1: { on: 'right', addresses: ['10.0.1.11'] } },
  services: { db: { port: 5432, proxyProtocol: 'v1', endpoints: [{ workload: 'db1', port: 5432 }] } },
  listeners: { door: { on: 'left', address: '10.96.0.20', port: 5432, protocol: 'tcp' } },
  routes: [{ name: 'db', listeners: ['door'], rules: [{ backendRefs: [{ service: 'db' }] }] }],
})
const header = 'PROXY TCP4 10.0.0.10 10.96.0.20 4001 5432\r\n'

const all = async (flows: AsyncIterable<Flow>) => {
  const list: Flow[] = []
  for await (const flow of flows) list.push(flow)
  return list
}

for (const lanes of [1, 2] as const)
  describe(`a listener, with ${lanes} lane${lanes > 1 ? 's' : ''}`, () => {
    let proxy: FlatProxy
    let client: Host
    let server: Host
    let upstream: string
    let near: End
    let far: End
    const events: FlatProxyEvent[] = []

    before(async () => {
      proxy = await FlatProxy.start({ mesh, lanes })
      void (async () => {
        for await (const batch of proxy.events({ types: ['flow:open', 'flow:close'] })) events.push(...batch.events)
      })()
      client = await new Host(proxy.port('left'), '02:00:00:00:00:0a', '10.0.0.10', '10.0.0.1').join()
      server = await new Host(proxy.port('right'), '02:00:00:00:00:0b', '10.0.1.11', '10.0.1.1').join()
    })
    after(() => proxy.close())

    it('answers the client itself, and opens a connection to the endpoint', async () => {
      near = new End(client, '10.0.0.10:4001', '10.96.0.20:5432', 100)
      near.send('S')
      near.took(await client.expect({ flags: 'SA', from: '10.96.0.20:5432', acknowledgment: 101 }))
      near.send('A')
      const syn = await server.expect({ flags: 'S', to: '10.0.1.11:5432' })
      upstream = syn.from
      assert.match(upstream, /^10\.0\.1\.1:\d+$/)
      far = new End(server, '10.0.1.11:5432', upstream, 500)
      far.took(syn)
      far.send('SA')
    })

    it('tells the endpoint who the client is, and relays both ways', async () => {
      near.send('PA', 'question')
      let heard = ''
      while (heard.length < header.length + 8) {
        const packet = await server.expect({ from: upstream })
        heard += packet.payload ?? ''
        if (packet.payload !== undefined) far.took(packet)
      }
      assert.equal(heard, `${header}question`)
      far.send('PA', 'answer')
      const answer = await client.expect({ payload: 'answer' })
      assert.equal(answer.from, '10.96.0.20:5432')
      near.took(answer)
      near.send('A')
    })

    it('is in the list of flows', async () => {
      const [{ openedAt, packets, ...flow }, ...others] = (await all(proxy.flows({ service: 'db' }))) as [Flow]
      assert.deepEqual(others, [])
      assert.deepEqual(flow, {
        on: 'left',
        protocol: 'tcp',
        from: '10.0.0.10:4001',
        to: '10.96.0.20:5432',
        service: 'db',
        endpoint: 'db1',
        verdict: 'terminate',
        reason: 'tcp_terminated',
        tier: 'lane',
        bytes: 'question'.length + 'answer'.length,
        state: 'established',
      })
      assert.ok(packets >= 6)
      assert.ok(Math.abs(Date.now() - openedAt) < 10_000)
      assert.equal((await all(proxy.flows({ verdict: 'forward' }))).length, 0)
      assert.equal((await all(proxy.flows({ verdict: 'terminate', workload: 'db1' }))).length, 1)
    })

    it('is counted', async () => {
      const stats = await proxy.stats()
      const { http, tls, ...door } = stats.listeners['door']!
      assert.deepEqual([http.requests, tls.handshakes], [0, 0])
      assert.deepEqual(
        { door },
        {
          door: {
            newConnections: 1,
            activeConnections: 1,
            relayed: 1,
            overLimit: 0,
            noEndpoint: 0,
            policyDenied: 0,
            connectFailures: 0,
            badProxyHeaders: 0,
            idleTimeouts: 0,
            resets: 0,
            bytesUp: 8,
            bytesDown: 6,
          },
        },
      )
      assert.equal(stats.services['db']!.activeFlows, 1)
      assert.equal(stats.tcp.opened, 2)
      assert.ok(
        openMetrics(stats).includes('flatproxy_listener_relayed_bytes_total{listener="door",direction="up"} 8\n'),
      )
    })

    it('passes a reset on', async () => {
      near.send('RA')
      assert.equal((await server.expect({ flags: 'RA' })).from, upstream)
      for (let tries = 0; events.length < 2 && tries < 200; tries++) await new Promise((done) => setTimeout(done, 10))
      assert.deepEqual(
        events.map((event) => [event.type, (event as FlatProxyEvent<'flow:open'>).flow.endpoint]),
        [
          ['flow:open', 'db1'],
          ['flow:close', 'db1'],
        ],
      )
      assert.equal((await proxy.stats()).listeners['door']!.resets, 1)
    })

    it('refuses while it drains, and resets who is still there in the end', async () => {
      near = new End(client, '10.0.0.10:4002', '10.96.0.20:5432', 100)
      near.send('S')
      near.took(await client.expect({ flags: 'SA', to: '10.0.0.10:4002' }))
      near.send('A')
      await server.expect({ flags: 'S', to: '10.0.1.11:5432' })
      const closed = proxy.close({ drain: 500 })
      const isReset = ({ flags, to }: Packet) => flags === 'RA' && to !== '10.0.0.10:4002'
      // The first ones may come before the proxy refuses.
      for (let tries = 0; tries < 20 && !client.received.some(isReset); tries++) {
        new End(client, `10.0.0.10:${4003 + tries}`, '10.96.0.20:5432', 100).send('S')
        await new Promise((done) => setTimeout(done, 20))
      }
      assert.ok(client.received.some(isReset))
      assert.ok(!client.received.some(({ flags, to }) => flags!.includes('R') && to === '10.0.0.10:4002'))
      await closed
    })
  })
