// RoCEv2 crosses a proxy between memory ports, and what JavaScript sees of it.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { checkMesh, defineMesh, explain, FlatProxy, openMetrics, type Flow, type FlatProxyEvent } from '#lib/index.js'
import { Host } from './host.js'

const ports = {
  left: { type: 'memory', own: ['10.0.0.1/24'] },
  right: { type: 'memory', own: ['10.0.1.1/24'] },
} as const
const mesh = defineMesh({ ports })
const port = 4791

/** Bytes below 128, as the text that a host sends. */
const roce = (opcode: number, qp: number, psn: number, behind = '') =>
  String.fromCharCode(opcode, 0, 127, 127, 0, 0, 0, qp, 0, 0, 0, psn) + behind + 'icrc'
const writeOnly = 0x0a
const acknowledge = 0x11
const nak = String.fromCharCode(0x60, 0, 0, 1)

const all = async (flows: AsyncIterable<Flow>) => {
  const list: Flow[] = []
  for await (const flow of flows) list.push(flow)
  return list
}

describe('RoCEv2', () => {
  let proxy: FlatProxy
  let left: Host
  let right: Host
  const events: FlatProxyEvent[] = []

  before(async () => {
    proxy = await FlatProxy.start({ mesh })
    void (async () => {
      for await (const batch of proxy.events({ types: ['flow:open'] })) events.push(...batch.events)
    })()
    left = await new Host(proxy.port('left'), '02:00:00:00:00:0a', '10.0.0.10', '10.0.0.1').join()
    right = await new Host(proxy.port('right'), '02:00:00:00:00:0b', '10.0.1.11', '10.0.1.1').join()
    for (const psn of [1, 2, 1]) {
      const payload = roce(writeOnly, 17, psn)
      left.send({ protocol: 'udp', from: `10.0.0.10:${50_000 + psn}`, to: `10.0.1.11:${port}`, payload })
      await right.expect({ payload })
    }
    const payload = roce(acknowledge, 99, 1, nak)
    right.send({ protocol: 'udp', from: '10.0.1.11:50000', to: `10.0.0.10:${port}`, payload })
    await left.expect({ payload })
  })
  after(() => proxy.close())

  it('is listed by queue pair, each way for itself, by class of opcode', async () => {
    const flows = await all(proxy.flows({ protocol: 'roce' }))
    const [write, ack] = flows.sort((a, b) => a.qp! - b.qp!)
    assert.equal(flows.length, 2)
    const { openedAt, ...flow } = write!
    const bytes = 20 + 8 + 12 + 4
    const none = { packets: 0, bytes: 0 }
    assert.ok(Math.abs(Date.now() - openedAt) < 60_000)
    assert.deepEqual(flow, {
      on: 'left',
      protocol: 'roce',
      from: '10.0.0.10',
      to: '10.0.1.11',
      verdict: 'forward',
      reason: 'forwarded',
      tier: 'lane',
      packets: 3,
      bytes: 3 * bytes,
      state: 'roce',
      qp: 17,
      roce: {
        classes: {
          send: none,
          write: { packets: 3, bytes: 3 * bytes },
          read: none,
          atomic: none,
          ack: none,
          cnp: none,
          other: none,
        },
        retransmitted: 1,
        naks: 0,
      },
    } satisfies Omit<Flow, 'openedAt'>)
    assert.equal(ack!.qp, 99)
    assert.equal(ack!.roce!.naks, 1)
    assert.deepEqual(await all(proxy.flows({ protocol: 'udp' })), [])
    assert.equal((await all(proxy.flows())).length, 2)
  })

  it('is told as it opens', () => {
    assert.deepEqual(
      events.map((event) => (event.type === 'flow:open' ? event.flow.qp : undefined)),
      [17, 99],
    )
  })

  it('is counted', async () => {
    const { roce } = await proxy.stats()
    assert.equal(roce.flows, 2)
    assert.equal(roce.classes.write.packets, 3)
    assert.equal(roce.classes.ack.packets, 1)
    assert.equal(roce.retransmitted, 1)
    assert.equal(roce.naks, 1)
    const text = openMetrics(await proxy.stats())
    assert.match(text, /^flatproxy_roce_packets_total\{class="write"\} 3$/m)
    assert.match(text, /^flatproxy_roce_naks_total 1$/m)
    assert.match(text, /^flatproxy_roce_flows 2$/m)
  })
})

describe('alarms of RoCEv2', () => {
  it('are told, once in a second', async () => {
    const touchy = defineMesh({ ports, flows: { roce: { nakAlarm: 2, cnpAlarm: 1 } } })
    await using proxy = await FlatProxy.start({ mesh: touchy })
    const left = await new Host(proxy.port('left'), '02:00:00:00:00:0a', '10.0.0.10', '10.0.0.1').join()
    const right = await new Host(proxy.port('right'), '02:00:00:00:00:0b', '10.0.1.11', '10.0.1.1').join()
    const alarms = proxy.events({ types: ['flow:alarm'] })
    const first = alarms.next()
    const ends = { protocol: 'udp', from: '10.0.1.11:50000', to: `10.0.0.10:${port}` } as const
    for (const psn of [1, 2, 3]) right.send({ ...ends, payload: roce(acknowledge, 7, psn, nak) })
    const { events } = (await first).value as { events: FlatProxyEvent<'flow:alarm'>[] }
    assert.deepEqual(
      events.map(({ kind, flow }) => [kind, flow.from, flow.to, flow.qp, flow.roce!.naks]),
      [['nak', '10.0.1.11', '10.0.0.10', 7, 2]],
    )
    await left.expect({ payload: roce(acknowledge, 7, 3, nak) })
    await alarms.return!()
  })
})

describe('policies of RoCEv2', () => {
  const guarded = defineMesh({
    ports,
    workloads: { gpu0: { on: 'left', addresses: ['10.0.0.10'] }, gpu1: { on: 'right', addresses: ['10.0.1.11'] } },
    policies: [
      {
        name: 'no-writes',
        to: { workload: 'gpu1' },
        ports: [{ protocol: 'roce', qp: 16, endQp: 31, opcodes: ['write', 'atomic'] }],
        action: 'reject',
      },
    ],
  })
  const tuple = { on: 'left', protocol: 'roce', from: '10.0.0.10', to: '10.0.1.11' } as const
  let proxy: FlatProxy

  before(async () => {
    proxy = await FlatProxy.start({ mesh: guarded })
  })
  after(() => proxy.close())

  it('explain what passes, with a proxy and without', async () => {
    for (const ask of [
      (what: object) => proxy.explain({ ...tuple, ...what }),
      (what: object) => explain(guarded, { ...tuple, ...what }),
    ]) {
      assert.equal((await ask({ qp: 17, opcode: 'send' })).verdict, 'forward')
      assert.equal((await ask({ qp: 32, opcode: 'write' })).verdict, 'forward')
      const refused = await ask({ qp: 31, opcode: 'write' })
      assert.equal(refused.verdict, 'reject')
      assert.equal(refused.reason, 'policy_rejected')
      assert.equal(refused.policy, 'no-writes')
      assert.match(String(refused), /^roce 10\.0\.0\.10 > 10\.0\.1\.11 qp 31 by left: reject /)
    }
  })

  it('do what they explain, and tell what they refused by its queue pair', async () => {
    const left = await new Host(proxy.port('left'), '02:00:00:00:00:0a', '10.0.0.10', '10.0.0.1').join()
    const right = await new Host(proxy.port('right'), '02:00:00:00:00:0b', '10.0.1.11', '10.0.1.1').join()
    const ends = { protocol: 'udp', from: '10.0.0.10:50000', to: `10.0.1.11:${port}` } as const
    left.send({ ...ends, payload: roce(writeOnly, 17, 1) })
    left.send({ ...ends, payload: roce(0x04, 17, 2) })
    await right.expect({ payload: roce(0x04, 17, 2) })
    const [refused, ...others] = await all(proxy.flows({ verdict: 'reject' }))
    assert.deepEqual(others, [])
    const { protocol, from, to, qp, policy, packets, state } = refused!
    assert.deepEqual(
      { protocol, from, to, qp, policy, packets, state },
      {
        protocol: 'roce',
        from: '10.0.0.10',
        to: '10.0.1.11',
        qp: 17,
        policy: 'no-writes',
        packets: 1,
        state: 'refused',
      },
    )
    const [running] = await all(proxy.flows({ protocol: 'roce', verdict: 'forward' }))
    assert.equal(running!.packets, 1)
    assert.equal(
      (await proxy.explain({ ...tuple, qp: 17 })).steps.some(({ stage }) => stage === 'flow'),
      true,
    )
  })

  it('are asked about what there is', async () => {
    const code = 'ERR_FLATPROXY_ARGUMENT'
    await assert.rejects(proxy.explain({ ...tuple, qp: 0x1000000 }), {
      code,
      message: /^qp: 16777216 is no queue pair/,
    })
    await assert.rejects(proxy.explain({ ...tuple, opcode: 'nak' as 'ack' }), { code, message: /^opcode: 'nak'/ })
    await assert.rejects(proxy.explain({ ...tuple, from: '10.0.0.10:5' }), { code, message: /^from: / })
    await assert.rejects(proxy.explain({ ...tuple, protocol: 'udp', from: '10.0.0.10:5', to: '10.0.1.11:6', qp: 1 }), {
      code,
      message: /^qp: it is of roce alone/,
    })
  })

  it('let no service translate it', () => {
    const service = { address: '10.96.0.1', port, protocol: 'udp', endpoints: [{ workload: 'gpu1', port }] } as const
    const problems = checkMesh({ ...guarded, services: { rdma: service } })
    assert.deepEqual(
      problems.map(({ path, message }) => `${path.join('.')}: ${message}`),
      ['port', 'endpoints.0.port'].map(
        (path) => `services.rdma.${path}: RoCEv2 (UDP 4791) cannot be translated: its ICRC covers the addresses`,
      ),
    )
  })
})
