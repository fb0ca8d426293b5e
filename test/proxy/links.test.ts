// Policies about what passes between joined ports, from a mesh to packets.
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defineMesh, explain, FlatProxy, replay, type Flow, type Mesh } from '#lib/index.js'
import { emit, ethernet, Host } from './host.js'

const mesh = defineMesh({
  ports: { outer: { type: 'memory', joined: 'inner' }, inner: { type: 'memory' } },
  workloads: { dns: { on: 'inner', addresses: ['10.0.0.9'], labels: { app: 'dns' } } },
  policies: [
    {
      name: 'dns-in',
      to: { labels: { app: 'dns' } },
      from: { cidr: '10.0.0.0/25' },
      ports: [{ protocol: 'udp', port: 53 }],
      action: 'allow',
    },
  ],
})

async function ended(proxy: FlatProxy, reason: string, packets: number) {
  while (((await proxy.stats()).reasons[reason]?.packets ?? 0) < packets);
}

describe('policies between joined ports', () => {
  it('let pass what they allow, as it is, and nothing else; nobody speaks in the name of another', async () => {
    await using proxy = await FlatProxy.start({ mesh })
    const dns = new Host(proxy.port('inner'), '02:00:00:00:00:0b', '10.0.0.9', '10.0.0.10')
    const client = await new Host(proxy.port('outer'), '02:00:00:00:00:0a', '10.0.0.10', '10.0.0.9').join()
    await dns.join()
    const ask = (from: string, to = '10.0.0.9:53') => client.send({ protocol: 'udp', from, to, payload: 'who?' })
    ask('10.0.0.10:5000')
    await dns.expect({ from: '10.0.0.10:5000', payload: 'who?' })
    dns.send({ protocol: 'udp', from: '10.0.0.9:53', to: '10.0.0.10:5000', payload: 'you' })
    await client.expect({ payload: 'you' })
    ask('10.0.0.200:5000')
    ask('10.0.0.10:5000', '10.0.0.9:54')
    ask('10.0.0.9:53', '10.0.0.10:5000')
    await ended(proxy, 'policy_default_deny', 2)
    await ended(proxy, 'spoofed_source', 1)
    assert.deepEqual(dns.received, [])
    const flows: Flow[] = []
    for await (const flow of proxy.flows()) flows.push(flow)
    assert.deepEqual(
      flows.map(({ on, from, to, verdict, reason, policy, packets }) => [
        on,
        from,
        to,
        verdict,
        reason,
        policy,
        packets,
      ]),
      [['outer', '10.0.0.10:5000', '10.0.0.9:53', 'forward', 'passed_on', 'dns-in', 2]],
    )
    const running = await proxy.explain({ on: 'outer', protocol: 'udp', from: '10.0.0.10:5000', to: '10.0.0.9:53' })
    assert.deepEqual([running.reason, running.policy, running.exit], ['passed_on', 'dns-in', 'inner'])
  })

  it('are what explain() says', async () => {
    const said = async (on: string, from: string, to: string) => {
      const { verdict, reason, policy, exit } = await explain(mesh, { on, protocol: 'udp', from, to })
      return [verdict, reason, policy, exit]
    }
    assert.deepEqual(await said('outer', '10.0.0.10:9', '10.0.0.9:53'), ['forward', 'passed_on', 'dns-in', 'inner'])
    assert.deepEqual(await said('outer', '10.0.0.10:9', '10.0.0.9:54'), [
      'drop',
      'policy_default_deny',
      'dns-in',
      undefined,
    ])
    assert.deepEqual(await said('outer', '10.0.0.9:9', '10.0.0.10:54'), [
      'drop',
      'spoofed_source',
      undefined,
      undefined,
    ])
    assert.deepEqual(await said('inner', '10.0.0.9:9', '10.0.0.10:54'), ['forward', 'passed_on', undefined, 'outer'])
  })

  it('cut what a change denies', async () => {
    await using proxy = await FlatProxy.start({ mesh })
    const dns = new Host(proxy.port('inner'), '02:00:00:00:00:0b', '10.0.0.9', '10.0.0.10')
    const client = await new Host(proxy.port('outer'), '02:00:00:00:00:0a', '10.0.0.10', '10.0.0.9').join()
    client.send({ protocol: 'udp', from: '10.0.0.10:5000', to: '10.0.0.9:53', payload: '1' })
    await dns.expect({ payload: '1' })
    await proxy.patch({ policies: [{ name: 'none', to: { workload: 'dns' }, action: 'deny' }] })
    client.send({ protocol: 'udp', from: '10.0.0.10:5000', to: '10.0.0.9:53', payload: '2' })
    await ended(proxy, 'policy_denied', 1)
    assert.deepEqual(dns.received, [])
  })
})

/** A UDP datagram in a VLAN; 0: without a tag. */
function inVlan(vlan: number, from: string, to: string): Buffer {
  const frame = ethernet('02:00:00:00:00:0b', '02:00:00:00:00:0a', 0x0800, emit({ protocol: 'udp', from, to }))
  if (vlan === 0) return frame
  return Buffer.concat([frame.subarray(0, 12), Buffer.from([0x81, 0, vlan >> 8, vlan & 255]), frame.subarray(12)])
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

describe('flows between joined ports', () => {
  const [client, dns] = ['10.0.0.10:5000', '10.0.0.9:53']

  it('are told with their VLAN, each by itself, whatever their addresses', async () => {
    await using proxy = await FlatProxy.start({ mesh })
    for (const vlan of [0, 10, 20, 20]) proxy.port('outer').send([inVlan(vlan, client, dns)])
    proxy.port('inner').send([inVlan(10, dns, client)])
    proxy.port('outer').send([inVlan(30, client, '10.0.0.9:54')])
    await ended(proxy, 'passed_on', 5)
    await ended(proxy, 'policy_default_deny', 1)
    const told = (flows: Flow[]) => flows.map(({ vlan, packets }) => [vlan, packets])
    const running = told(await all(proxy.flows({ verdict: 'forward' })))
    assert.deepEqual(
      running.sort(([a = 0], [b = 0]) => a - b),
      [
        [undefined, 1],
        [10, 2],
        [20, 2],
      ],
    )
    assert.deepEqual(told(await all(proxy.flows({ verdict: 'drop' }))), [[30, 1]])
  })

  it('are explained by the one of their VLAN', async () => {
    await using proxy = await FlatProxy.start({ mesh })
    proxy.port('outer').send([inVlan(10, client, dns)])
    await ended(proxy, 'passed_on', 1)
    const runs = async (vlan?: number) => {
      const question = { on: 'outer', protocol: 'udp', from: client, to: dns } as const
      const said = await proxy.explain(vlan === undefined ? question : { ...question, vlan })
      return [String(said).split('\n')[0], said.steps.some(({ stage }) => stage === 'flow')]
    }
    const head = `udp ${client} > ${dns} by outer`
    const end = ': forward (passed_on), policy dns-in, exit inner'
    assert.deepEqual(await runs(10), [`${head} in VLAN 10${end}`, true])
    assert.deepEqual(await runs(20), [`${head} in VLAN 20${end}`, false])
    assert.deepEqual(await runs(), [head + end, false])
    const frame = await proxy.explain({ on: 'inner', frame: inVlan(10, dns, client) })
    assert.match(String(frame), /^udp 10\.0\.0\.9:53 > 10\.0\.0\.10:5000 by inner in VLAN 10: forward \(passed_on\)/)
    assert.ok(frame.steps.some(({ stage }) => stage === 'flow'))
  })

  it('are asked about in a VLAN that there may be', async () => {
    for (const vlan of [-1, 1.5, 4095, '10'])
      await assert.rejects(
        explain(mesh, { on: 'outer', protocol: 'udp', from: client, to: dns, vlan: vlan as number }),
        /vlan: .* is no VLAN/,
      )
    const routed = { ports: { a: { type: 'memory' } } } as const
    const said = await explain(routed, { on: 'a', protocol: 'udp', from: client, to: dns, vlan: 7 })
    assert.deepEqual([said.verdict, said.reason], ['drop', 'vlan_unknown'])
  })
})

/** A pcap file of frames, a millisecond apart. */
function capture(frames: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(24)
  for (const [index, word] of [0xa1b2c3d4, 0x00040002, 0, 0, 65_535, 1].entries()) header.writeUInt32LE(word, 4 * index)
  const records = frames.map((frame, index) => {
    const record = Buffer.alloc(16)
    for (const [at, word] of [1_700_000_000, 1000 * index, frame.length, frame.length].entries())
      record.writeUInt32LE(word, 4 * at)
    return Buffer.concat([record, frame])
  })
  return Buffer.concat([header, ...records])
}

describe('policies that look at the VLAN that flows come in', () => {
  const folder = mkdtempSync(join(tmpdir(), 'flatproxy-links-'))
  after(() => rmSync(folder, { recursive: true, force: true }))
  const [client, dns] = ['10.0.0.10:5000', '10.0.0.9:53']
  const inVlans = (...policies: NonNullable<Mesh['policies']>): Mesh => ({ ...mesh, policies })
  const allow = { name: 'tenant', to: { workload: 'dns' }, vlan: 10, action: 'allow' } as const
  const deny = { name: 'guests', vlan: [20, { id: 30, endId: 39 }], action: 'deny' } as const

  it('judge the tagged frames of a capture, whose addresses are the same', async () => {
    const [outer, inner] = ['outer', 'inner'].map((name) => join(folder, `${name}.pcap`))
    writeFileSync(outer!, capture([10, 20, 10, 39, 40, 0].map((vlan) => inVlan(vlan, client, dns))))
    writeFileSync(inner!, capture([inVlan(10, dns, client)]))
    const { reasons, policies } = await replay({
      mesh: inVlans(deny, allow),
      inputs: { outer: outer!, inner: inner! },
    })
    assert.deepEqual(
      [reasons['passed_on'], reasons['policy_denied'], reasons['policy_default_deny']],
      [3, 2, 2],
      '10 and its answer; 20 and 39; 40 and what has no tag',
    )
    assert.deepEqual([policies['guests']!.packets, policies['tenant']!.packets], [2, 5])
  })

  it('are what explain() says, and tell flows when they change', async () => {
    const all10 = { on: 'outer', protocol: 'udp', from: client, to: dns } as const
    const said = async (vlan: number) => {
      const { reason, policy } = await explain(inVlans(deny, allow), { ...all10, vlan })
      return [reason, policy]
    }
    assert.deepEqual(await said(10), ['passed_on', 'tenant'])
    assert.deepEqual(await said(35), ['policy_denied', 'guests'])
    assert.deepEqual(await said(0), ['policy_default_deny', 'tenant'])
    const isolated = await explain(inVlans(deny, allow), { ...all10, vlan: 40 })
    assert.match(String(isolated), /tenant: deny \(.* of this one, 'vlan' does not match\)/)
    await using proxy = await FlatProxy.start({ mesh: inVlans(allow) })
    proxy.port('outer').send([inVlan(10, client, dns)])
    await ended(proxy, 'passed_on', 1)
    await proxy.apply(inVlans({ ...allow, vlan: 20 }))
    for (const vlan of [10, 20]) proxy.port('outer').send([inVlan(vlan, client, dns)])
    await ended(proxy, 'policy_default_deny', 1)
    await ended(proxy, 'passed_on', 2)
    assert.deepEqual(
      (await all(proxy.flows({ verdict: 'forward' }))).map(({ vlan, policy }) => [vlan, policy]),
      [[20, 'tenant']],
    )
  })
})
