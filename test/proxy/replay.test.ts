// replay(): captures through a mesh, and what comes of them.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createReadStream, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { defineMesh, explain, FlatProxy, replay, type Flow, type FlatProxyEvent, type Mesh } from '#lib/index.js'
import { emit, Host, type Packet } from './host.js'

const folder = mkdtempSync(join(tmpdir(), 'flatproxy-replay-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const path = (name: string) => join(folder, name)
const main = join(process.cwd(), 'dist/cli/main.js')

const mesh = defineMesh({
  ports: {
    uplink: { type: 'iface', interface: 'not-there-0', own: ['203.0.113.1/24'] },
    shop: { type: 'iface', interface: 'not-there-1', own: ['10.0.1.1/24'] },
  },
  workloads: { shop: { on: 'shop', addresses: ['10.0.1.11'], labels: { app: 'shop' } } },
  services: {
    web: {
      address: '10.96.0.10',
      port: 80,
      healthCheck: { interval: '1s' },
      endpoints: [{ workload: 'shop', port: 8080 }],
    },
  },
  policies: [
    { name: 'no-ssh', to: { labels: { app: 'shop' } }, ports: [{ protocol: 'tcp', port: 22 }], action: 'reject' },
    { name: 'web', to: { labels: { app: 'shop' } }, ports: [{ protocol: 'tcp', port: 8080 }], action: 'allow' },
    { name: 'unused', from: { cidr: '198.51.100.0/24' }, action: 'deny' },
    { name: 'watched', to: { labels: { app: 'shop' } }, action: 'log' },
  ],
})

type Timed = Packet & { at: number }

/** A pcap file, times in milliseconds after the start. */
function capture(packets: readonly Timed[], cut = 0): Buffer {
  const header = Buffer.alloc(24)
  for (const [index, word] of [0xa1b23c4d, 0x00040002, 0, 0, 65_535, 1].entries()) header.writeUInt32LE(word, 4 * index)
  const records = packets.map(({ at, ...packet }) => {
    const frame = Buffer.concat([Buffer.from('0200000000aa0200000000bb0800', 'hex'), emit(packet)])
    const record = Buffer.alloc(16)
    record.writeUInt32LE(1_700_000_000 + Math.floor(at / 1000), 0)
    record.writeUInt32LE((at % 1000) * 1e6, 4)
    record.writeUInt32LE(frame.length - cut, 8)
    record.writeUInt32LE(frame.length, 12)
    return Buffer.concat([record, frame.subarray(0, frame.length - cut)])
  })
  return Buffer.concat([header, ...records])
}

const request = (at: number, port: number, to = '10.96.0.10:80'): Timed => ({
  at,
  protocol: 'tcp',
  from: `203.0.113.9:${port}`,
  to,
  flags: 'S',
  sequence: 1000,
})
const answer = (at: number, port: number): Timed => ({
  at,
  protocol: 'tcp',
  from: '10.0.1.11:8080',
  to: `203.0.113.9:${port}`,
  flags: 'SA',
  sequence: 5000,
  acknowledgment: 1001,
})

const monday = path('monday.pcap')
writeFileSync(
  monday,
  capture([request(0, 4000), request(20, 4001, '10.0.1.11:22'), request(900, 4001, '10.0.1.11:22')]),
)
const answers = path('answers.pcap')
writeFileSync(answers, capture([answer(10, 4000)]))
const inputs = { uplink: monday, shop: answers }

const all = async (flows: AsyncIterable<Flow>) => {
  const list: Flow[] = []
  for await (const flow of flows) list.push(flow)
  return list
}
const failure = (options: Partial<Parameters<typeof replay>[0]>) =>
  replay({ mesh, inputs, ...options }).then(
    () => assert.fail('it was taken'),
    (error: unknown) => error as Error & { code: string; remedy: string },
  )

describe('replay', () => {
  it('says how packets ended, by flow and by policy', async () => {
    const replayed = await replay({ mesh, inputs })
    const { packets, snapped, reasons, policies, flowCount } = replayed
    assert.deepEqual(
      { packets, snapped, reasons, policies, flowCount },
      {
        packets: 4,
        snapped: 0,
        reasons: { service_forwarded: 2, originated: 2, policy_rejected: 2 },
        policies: {
          'no-ssh': { packets: 2, flows: 1 },
          web: { packets: 2, flows: 1 },
          unused: { packets: 0, flows: 0 },
          watched: { packets: 0, flows: 2 },
        },
        flowCount: 2,
      },
    )
    const [carried, refused, ...rest] = await all(replayed.flows())
    assert.equal(rest.length, 0)
    const { openedAt, ...flow } = carried!
    assert.deepEqual(flow, {
      on: 'uplink',
      protocol: 'tcp',
      from: '203.0.113.9:4000',
      to: '10.96.0.10:80',
      service: 'web',
      endpoint: 'shop',
      policy: 'web',
      verdict: 'forward',
      reason: 'service_forwarded',
      tier: 'lane',
      packets: 2,
      bytes: 80,
      state: 'syn_received',
    })
    assert.equal(openedAt, 1_700_000_000_000)
    const { verdict, reason, policy, packets: tried, state, to } = refused!
    assert.deepEqual(
      [verdict, reason, policy, tried, state, to],
      ['reject', 'policy_rejected', 'no-ssh', 2, 'refused', '10.0.1.11:22'],
    )
    assert.deepEqual(await all(replayed.flows({ verdict: 'reject' })), [refused])
    assert.deepEqual(await all(replayed.flows({ limit: 1 })), [carried])
    assert.deepEqual(await all(replayed.flows({ workload: 'shop', verdict: 'forward' })), [carried])
  })

  it('agrees with explain() about every flow', async () => {
    const ports = [22, 80, 443, 8080]
    const tuples = Array.from({ length: 400 }, (_, index) => {
      const to = index % 3 === 0 ? '10.96.0.10' : index % 3 === 1 ? '10.0.1.11' : '10.0.1.77'
      return { ...request(index, 10_000 + index, `${to}:${ports[(index * 7) % 4]}`) }
    })
    writeFileSync(path('random.pcap'), capture(tuples))
    const flows = await all((await replay({ mesh, inputs: { uplink: path('random.pcap') } })).flows())
    assert.equal(flows.length, 300, 'ports of a virtual address that no service has make no flow')
    for (const { from, to, verdict, reason, policy, endpoint } of flows) {
      const said = await explain(mesh, { on: 'uplink', protocol: 'tcp', from, to })
      assert.deepEqual([verdict, reason, policy, endpoint], [said.verdict, said.reason, said.policy, said.endpoint])
    }
  })

  it('takes bytes and URLs as it takes paths', async () => {
    const one = await replay({ mesh, inputs })
    const stream = createReadStream(monday, { highWaterMark: 7 })
    const other = await replay({ mesh, inputs: { uplink: stream, shop: pathToFileURL(answers) } })
    assert.deepEqual(other.reasons, one.reasons)
    assert.deepEqual(other.policies, one.policies)
  })

  it('writes what leaves by a port', async () => {
    await replay({ mesh, inputs, outputs: { shop: path('out.pcap') } })
    const bytes = readFileSync(path('out.pcap'))
    assert.equal(bytes.length, 24 + 16 + 54)
    assert.deepEqual([...bytes.subarray(24 + 16 + 14 + 16, 24 + 16 + 14 + 20)], [10, 0, 1, 11])
    assert.equal(bytes.readUInt16BE(24 + 16 + 14 + 22), 8080)
  })

  it('names what is wrong with a capture, and leaves nothing behind', async () => {
    const outputs = { shop: path('never.pcapng') }
    writeFileSync(path('none.pcap'), 'this is no capture at all')
    writeFileSync(path('broken.pcap'), capture([request(0, 1), request(1, 2)]).subarray(0, -3))
    writeFileSync(path('snapped.pcap'), capture([request(0, 1)], 20))
    for (const [name, what] of [
      ['none', 'neither pcap nor pcapng at offset 0'],
      ['broken', 'the file ends within a packet at offset 94'],
      ['snapped', 'a packet of which 34 of 54 bytes are there, at offset 24'],
    ] as const) {
      const error = await failure({ inputs: { uplink: path(`${name}.pcap`) }, outputs })
      assert.equal(error.code, 'ERR_FLATPROXY_CAPTURE')
      assert.ok(error.message.includes(path(`${name}.pcap`)) && error.message.endsWith(what), error.message)
    }
    const missing = await failure({ inputs: { uplink: path('missing.pcap') } })
    assert.equal(missing.code, 'ERR_FLATPROXY_FILE')
    const nowhere = await failure({ outputs: { shop: path('no/such/folder.pcap') } })
    assert.equal(nowhere.code, 'ERR_FLATPROXY_FILE')
    assert.ok(!existsSync(outputs.shop))
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.includes('part')),
      [],
    )
  })

  it('refuses what it cannot do, by its place', async () => {
    const messages = async (options: object) => (await failure(options)).message
    assert.equal(await messages({ inputs: {} }), 'inputs: there is no capture')
    assert.equal(await messages({ inputs: { left: monday } }), "inputs.left: the mesh has no port 'left'")
    assert.equal(await messages({ outputs: { left: 'x' } }), "outputs.left: the mesh has no port 'left'")
    assert.equal(await messages({ inputs: { uplink: 7 } }), 'inputs.uplink: this is no capture')
    assert.equal(await messages({ seed: 0.5 }), 'seed is no whole number')
    assert.equal(await messages({ speed: 1 }), 'replay() has no option speed')
    assert.equal((await failure({ mesh: {} as Mesh })).code, 'ERR_FLATPROXY_MESH')
  })

  it('ends with its signal, and with what its source throws', async () => {
    const stop = new AbortController()
    async function* endless() {
      yield capture([request(0, 4000)])
      stop.abort(new Error('enough'))
      await new Promise((resolve) => setTimeout(resolve, 1e6).unref())
    }
    await assert.rejects(replay({ mesh, inputs: { uplink: endless() }, signal: stop.signal }), { message: 'enough' })
    async function* failing() {
      yield capture([request(0, 4000)])
      throw new Error('the tape is torn')
    }
    await assert.rejects(replay({ mesh, inputs: { uplink: failing() } }), { message: 'the tape is torn' })
  })

  it('compares two meshes by a capture', async () => {
    const stricter = { ...mesh, policies: mesh.policies!.filter(({ name }) => name !== 'web') } as Mesh
    const before = await replay({ mesh, inputs, seed: 1 })
    assert.deepEqual((await replay({ mesh, inputs, seed: 1 })).reasons, before.reasons)
    assert.deepEqual((await replay({ mesh: { ...stricter, policyDefault: 'deny' }, inputs, seed: 1 })).reasons, {
      policy_default_deny: 2,
      policy_rejected: 2,
      originated: 2,
    })
  })

  it('is a command', async () => {
    const file = path('mesh.json')
    writeFileSync(file, JSON.stringify(mesh))
    const run = (...args: string[]) => promisify(execFile)(process.execPath, [main, 'replay', file, ...args])
    const { stdout } = await run('--in', `uplink=${monday}`, '--in', `shop=${answers}`)
    for (const line of [/4 packets, 2 flows/, /policy_rejected +reject +2/, /no-ssh +2 +1/, /unused +0 +0/])
      assert.match(stdout, line)
    const json = JSON.parse((await run('--in', `uplink=${monday}`, '--in', `shop=${answers}`, '--json')).stdout) as {
      policies: unknown
    }
    assert.deepEqual(json.policies, (await replay({ mesh, inputs })).policies)
    const flows = await run('--in', `uplink=${monday}`, '--flows', '--json')
    assert.equal(flows.stdout.trim().split('\n').length, 3)
    await assert.rejects(run('--in', monday), { code: 2 })
  })
})

describe('policies that look at the port that flows come by', () => {
  it("take a capture's port for it, and of answers in mid-stream their client's", async () => {
    const by = async (on: string) => {
      const policies = [{ name: 'by', to: { labels: { app: 'shop' } }, on, action: 'deny' } as const]
      const replayed = await replay({ mesh: { ...mesh, policies }, inputs })
      return [replayed.policies['by']!.packets, replayed.reasons['policy_denied'] ?? 0]
    }
    assert.deepEqual(await by('uplink'), [4, 4])
    assert.deepEqual(await by('shop'), [0, 0])
  })
})

describe("the event 'flow:denied'", () => {
  it('tells a flow that is refused once, with its policy', async () => {
    await using proxy = await FlatProxy.start({
      mesh: {
        ports: { left: { type: 'memory', own: ['10.0.0.1/24'] }, right: { type: 'memory', own: ['10.0.1.1/24'] } },
        policies: [
          { name: 'no-dns', to: { cidr: '10.0.1.0/24' }, ports: [{ protocol: 'udp', port: 53 }], action: 'deny' },
        ],
      },
    })
    const client = await new Host(proxy.port('left'), '02:00:00:00:00:0a', '10.0.0.10', '10.0.0.1').join()
    const stop = AbortSignal.timeout(20_000)
    const events = proxy.events({ types: ['flow:denied'], signal: stop })
    const ask = (port: number) => client.send({ protocol: 'udp', from: `10.0.0.10:${port}`, to: '10.0.1.5:53' })
    for (let index = 0; index < 5; index++) ask(5000)
    ask(5001)
    const told: FlatProxyEvent<'flow:denied'>[] = []
    for await (const batch of events) if (told.push(...batch.events) >= 2) break
    assert.deepEqual(
      told.map(({ flow: { from, verdict, reason, policy, packets } }) => [from, verdict, reason, policy, packets]),
      [
        ['10.0.0.10:5000', 'drop', 'policy_denied', 'no-dns', 1],
        ['10.0.0.10:5001', 'drop', 'policy_denied', 'no-dns', 1],
      ],
    )
    const listed = await all(proxy.flows({ verdict: 'drop' }))
    assert.deepEqual(listed.map(({ from, policy, packets, state }) => [from, policy, packets, state]).sort(), [
      ['10.0.0.10:5000', 'no-dns', 5, 'refused'],
      ['10.0.0.10:5001', 'no-dns', 1, 'refused'],
    ])
    assert.deepEqual(await all(proxy.flows({ verdict: 'reject' })), [])
    assert.deepEqual(await all(proxy.flows()), [], 'they do not run')
  })
})
