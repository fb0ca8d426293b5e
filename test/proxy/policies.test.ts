// Policies that neither allow nor deny: what a proxy makes of them.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { diff, explain, FlatProxy, type FlatProxyError, type FlatProxyEvent, type Flow, type Mesh } from '#lib/index.js'
import { Host } from './host.js'

const mesh = (policies: NonNullable<Mesh['policies']>): Mesh => ({
  ports: { left: { type: 'memory', own: ['10.0.0.1/24'] }, right: { type: 'memory', own: ['10.0.1.1/24'] } },
  workloads: {
    client: { on: 'left', addresses: ['10.0.0.10'] },
    dns: { on: 'right', addresses: ['10.0.1.5'], labels: { app: 'dns' } },
  },
  services: { dns: { address: '10.96.0.10', port: 53, protocol: 'udp', endpoints: [{ workload: 'dns', port: 5353 }] } },
  policies,
})

const all = async (flows: AsyncIterable<Flow>) => {
  const listed: Flow[] = []
  for await (const flow of flows) listed.push(flow)
  return listed
}

async function clientOf(proxy: FlatProxy) {
  const client = await new Host(proxy.port('left'), '02:00:00:00:00:0a', '10.0.0.10', '10.0.0.1').join()
  await new Host(proxy.port('right'), '02:00:00:00:00:0b', '10.0.1.5', '10.0.1.1').join()
  const ask = (port: number, to = '10.96.0.10:53') =>
    client.send({ protocol: 'udp', from: `10.0.0.10:${port}`, to, payload: 'x' })
  return { client, ask }
}

describe('a policy that mirrors', () => {
  const plain = mesh([
    { name: 'copies', to: { workload: 'dns' }, action: 'mirror', mirror: { port: 'tools', snapLength: 60 } },
  ])
  const mirrored: Mesh = { ...plain, ports: { ...plain.ports, tools: { type: 'memory' } } }

  it('sends copies to its port, and counts them', async () => {
    await using proxy = await FlatProxy.start({ mesh: mirrored })
    const tools = proxy.port('tools')
    const { ask } = await clientOf(proxy)
    for (const port of [5000, 5000, 5001]) ask(port)
    const copies: Uint8Array[] = []
    for await (const frames of tools) if (copies.push(...frames) >= 3) break
    assert.equal(copies.length, 3)
    for (const copy of copies) {
      const text = Buffer.from(copy)
      assert.equal(text.subarray(26, 34).join('.'), '10.0.0.10.10.96.0.10', 'as the client has sent it')
      assert.ok(copy.length <= 60)
    }
    // What is sent may be received before it is counted.
    let stats = await proxy.stats()
    while ((stats.reasons['mirrored']?.packets ?? 0) < 3) stats = await proxy.stats()
    const { flows, mirroredPackets, mirrorLost } = stats.policies['copies']!
    assert.deepEqual([flows, mirroredPackets, mirrorLost], [2, 3, 0])
    const said = await proxy.explain({ on: 'left', protocol: 'udp', from: '10.0.0.10:6000', to: '10.96.0.10:53' })
    assert.match(said.toString(), /policy ingress copies: mirror \(.*go to tools\)/)
  })
})

describe('a policy that limits', () => {
  const limited = mesh([
    { name: 'load', to: { workload: 'dns' }, action: 'limit', limit: { rate: 3, per: 'hour', of: 'packets' } },
    { name: 'openings', to: { workload: 'dns' }, action: 'limit', limit: { rate: 2, per: 'hour', of: 'flows' } },
  ])

  it('drops what is beyond, and counts it', async () => {
    await using proxy = await FlatProxy.start({ mesh: limited })
    const { ask } = await clientOf(proxy)
    for (const port of [5000, 5000, 5001, 5001, 5002]) ask(port)
    let stats = await proxy.stats()
    while ((stats.reasons['rate_limited']?.packets ?? 0) < 2) stats = await proxy.stats()
    const { load, openings } = stats.policies
    assert.deepEqual([load!.flows, load!.limitedPackets, openings!.flows, openings!.limitedPackets], [3, 1, 3, 1])
    const [refused, ...rest] = await all(proxy.flows({ verdict: 'drop' }))
    assert.equal(rest.length, 0)
    assert.deepEqual([refused!.from, refused!.reason, refused!.policy], ['10.0.0.10:5002', 'rate_limited', 'openings'])
  })

  it('is a step of an explanation, which says how much', async () => {
    const said = await explain(limited, { on: 'left', protocol: 'udp', from: '10.0.0.10:5000', to: '10.96.0.10:53' })
    assert.deepEqual(
      said.steps.filter(({ outcome }) => outcome === 'limit').map(({ object, why }) => [object, why]),
      [
        ['load', 'it matches: at most 3 packets per hour, 3 at once'],
        ['openings', 'it matches: at most 2 flows per hour, 2 at once'],
      ],
    )
  })

  it('is changed in words', () => {
    const [policy, ...others] = limited.policies!
    const faster = { ...limited, policies: [{ ...policy!, limit: { ...policy!.limit!, rate: 4 } }, ...others] }
    assert.deepEqual(diff(limited, faster).map(String), ['policies[load].limit.rate changed from 3 to 4'])
  })
})

describe('a policy that logs', () => {
  const watched = mesh([
    { name: 'no-tftp', to: { workload: 'dns' }, ports: [{ protocol: 'udp', port: 69 }], action: 'deny' },
    { name: 'watched', to: { labels: { app: 'dns' } }, action: 'log' },
    { name: 'of-client', direction: 'egress', from: { workload: 'client' }, action: 'log' },
  ])

  it('tells each flow that it matches, with its end and its workloads, and counts it', async () => {
    await using proxy = await FlatProxy.start({ mesh: watched })
    const { ask } = await clientOf(proxy)
    const told: FlatProxyEvent<'flow:logged'>[] = []
    const events = proxy.events({ types: ['flow:logged'], signal: AbortSignal.timeout(20_000) })
    for (const port of [5000, 5000]) ask(port)
    ask(5001, '10.0.1.5:69')
    for await (const batch of events) if (told.push(...batch.events) >= 4) break
    const common = { sender: 'client', receiver: 'dns' }
    assert.deepEqual(
      told.map(({ flow: { from, verdict, reason, endpoint, policy }, at, type, ...event }) => {
        assert.ok(type === 'flow:logged' && Date.now() - at < 20_000)
        return [from, verdict, reason, endpoint, policy, event]
      }),
      [
        ['10.0.0.10:5000', 'forward', 'service_forwarded', 'dns', undefined, { policy: 'watched', ...common }],
        ['10.0.0.10:5000', 'forward', 'service_forwarded', 'dns', undefined, { policy: 'of-client', ...common }],
        ['10.0.0.10:5001', 'drop', 'policy_denied', undefined, 'no-tftp', { policy: 'watched', ...common }],
        ['10.0.0.10:5001', 'drop', 'policy_denied', undefined, 'no-tftp', { policy: 'of-client', ...common }],
      ],
    )
    const { policies } = await proxy.stats()
    assert.deepEqual(Object.keys(policies), ['watched', 'of-client'])
    assert.deepEqual([policies['watched']?.flows, policies['watched']?.untold], [2, 0])
  })

  it('is a step of an explanation, before the mesh runs and while it does', async () => {
    const asked = { on: 'left', protocol: 'udp', from: '10.0.0.10:5000', to: '10.96.0.10:53' } as const
    await using proxy = await FlatProxy.start({ mesh: watched })
    const { ask } = await clientOf(proxy)
    const logs = async (from: { explain(input: typeof asked): ReturnType<typeof explain> }) =>
      (await from.explain(asked)).steps
        .filter(({ outcome }) => outcome === 'log')
        .map((step) => [step.stage, step.object])
    const expected = [
      ['policy ingress', 'watched'],
      ['policy egress', 'of-client'],
    ]
    assert.deepEqual(await logs({ explain: (input) => explain(watched, input) }), expected)
    assert.deepEqual(await logs(proxy), expected)
    ask(5000)
    while ((await proxy.stats()).policies['watched']!.flows === 0);
    assert.deepEqual(await logs(proxy), expected, 'of the flow that runs')
  })
})

describe('a policy that looks at the port that flows come by', () => {
  const by = (...on: string[]): Mesh => {
    const plain = mesh([{ name: 'no-dns', to: { workload: 'dns' }, on, action: 'reject' }])
    const workloads = { dns: plain.workloads!['dns']! }
    return { ...plain, workloads, ports: { ...plain.ports, up: { type: 'memory', own: ['10.0.2.1/24'] } } }
  }
  const question = (on: string) => ({ on, protocol: 'udp', from: '10.0.0.10:6000', to: '10.96.0.10:53' }) as const

  it('is about those alone, also of flows that run when it changes', async () => {
    await using proxy = await FlatProxy.start({ mesh: by('up') })
    const { ask } = await clientOf(proxy)
    const elsewhere = await new Host(proxy.port('up'), '02:00:00:00:00:0c', '10.0.2.10', '10.0.2.1').join()
    const refused = async (from: string) => {
      const events = proxy.events({ types: ['flow:denied'], signal: AbortSignal.timeout(20_000) })
      for await (const { events: batch } of events)
        for (const { flow } of batch) if (flow.from === from) return [flow.on, flow.reason, flow.policy]
      return undefined
    }
    ask(5000)
    const first = refused('10.0.2.10:5000')
    elsewhere.send({ protocol: 'udp', from: '10.0.2.10:5000', to: '10.96.0.10:53', payload: 'x' })
    assert.deepEqual(await first, ['up', 'policy_rejected', 'no-dns'])
    const running = await all(proxy.flows({ verdict: 'forward' }))
    assert.deepEqual(
      running.map(({ on, from }) => [on, from]),
      [['left', '10.0.0.10:5000']],
    )
    assert.deepEqual(diff(by('up'), by('up', 'left')).map(String), [
      "policies[no-dns].on changed from 'up' to 'up', 'left'",
    ])
    await proxy.apply(by('up', 'left'))
    const second = refused('10.0.0.10:5000')
    ask(5000)
    assert.deepEqual(await second, ['left', 'policy_rejected', 'no-dns'])
    assert.equal((await proxy.explain(question('left'))).verdict, 'reject')
  })

  it('is explained as it works', async () => {
    const said = async (on: string) => {
      const { verdict, policy, steps } = await explain(by('up'), question(on))
      return [verdict, policy, steps.find(({ stage }) => stage === 'policy ingress')?.outcome]
    }
    assert.deepEqual(await said('left'), ['forward', undefined, 'no opinion'])
    assert.deepEqual(await said('up'), ['reject', 'no-dns', 'reject'])
  })

  it("speaks of the node's own stack where that is reached", async () => {
    await assert.rejects(FlatProxy.start({ mesh: by('left', 'host') }), (error: FlatProxyError) => {
      assert.equal(error.code, 'ERR_FLATPROXY_UNSUPPORTED')
      assert.match(error.message, /policies\.0\.on\.1: 'host' without an iface port that takes all/)
      return true
    })
  })
})
