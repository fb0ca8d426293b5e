// What explain() says of frames, and that they then fare so.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { defineMesh, explain, FlatProxy, type Explanation, type Frame, type Tuple } from '#lib/index.js'
import { arp, emit, ethernet, Host, type Packet } from './host.js'

const folder = mkdtempSync(join(tmpdir(), 'flatproxy-explain-frame-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const main = join(process.cwd(), 'dist/cli/main.js')

const mesh = defineMesh({
  ports: {
    left: { type: 'memory', own: ['10.0.0.1/24'] },
    right: { type: 'memory', own: ['10.0.1.1/24'], mtu: 1000 },
    a: { type: 'memory', joined: 'b' },
    b: { type: 'memory' },
  },
  services: { web: { address: '10.96.0.10', port: 80, endpoints: [{ address: '10.0.1.11', port: 8080 }] } },
  flows: { midstream: 'reject' },
})

const host = '02:00:00:00:00:0a'
const packet: Packet = { protocol: 'tcp', from: '10.0.0.10:40000', to: '10.0.1.11:22', flags: 'S' }

/** The MAC of a memory port, as it answers for its address. */
async function macOf(proxy: FlatProxy, port: 'left' | 'right', address: string): Promise<string> {
  const asker = new Host(proxy.port(port), host, '10.0.0.99', address)
  await asker.join()
  return asker
    .frame(packet)
    .subarray(0, 6)
    .toString('hex')
    .replace(/(..)(?!$)/g, '$1:')
}

describe('explain() of frames', () => {
  let proxy: FlatProxy
  let mac: string
  const control = join(folder, 'control.sock')
  before(async () => {
    proxy = await FlatProxy.start({ mesh, control })
    mac = await macOf(proxy, 'left', '10.0.0.1')
    await new Host(proxy.port('right'), '02:00:00:00:00:0b', '10.0.1.11', '10.0.1.1').join()
  })
  after(() => proxy.close())

  const of = (content: Partial<Packet>, type = 0x0800) => ethernet(mac, host, type, emit({ ...packet, ...content }))

  /** An IPv4 header's bytes changed, its checksum right again. */
  function changed(frame: Buffer, at: number, value: number): Buffer {
    const header = frame.subarray(14, 34)
    header[at] = value
    header.writeUInt16BE(0, 10)
    let sum = 0
    for (let index = 0; index < 20; index += 2) sum += header.readUInt16BE(index)
    header.writeUInt16BE(~((sum & 0xffff) + (sum >> 16)) & 0xffff, 10)
    return frame
  }

  const kinds: readonly [what: string, frame: () => Buffer, reason: string, last: RegExp][] = [
    ['too short', () => Buffer.of(1, 2, 3), 'ethernet_truncated', /frame: drop \(it ends inside its Ethernet header\)/],
    [
      'of a VLAN',
      () => ethernet(mac, host, 0x8100, Buffer.concat([Buffer.of(0, 7, 8, 0), emit(packet)])),
      'vlan_unknown',
      /frame VLAN 7: drop/,
    ],
    [
      'of another protocol',
      () => ethernet(mac, host, 0x88cc, Buffer.alloc(46)),
      'ether_type_unknown',
      /EtherType 0x88cc/,
    ],
    ['to another MAC', () => ethernet(host, host, 0x0800, emit(packet)), 'not_for_us', /frame 02:00:00:00:00:0a: drop/],
    ['to everybody', () => ethernet('ff:ff:ff:ff:ff:ff', host, 0x0800, emit(packet)), 'multicast_ignored', /ff:ff:ff/],
    [
      'that asks who has our address',
      () => ethernet(mac, host, 0x0806, arp(1, [host, '10.0.0.77'], ['00:00:00:00:00:00', '10.0.0.1'])),
      'arp_answered',
      /neighbour 10\.0\.0\.1: answered \(we answer for it on left\)/,
    ],
    [
      'that asks who has another one',
      () => ethernet(mac, host, 0x0806, arp(1, [host, '10.0.0.77'], ['00:00:00:00:00:00', '10.0.0.78'])),
      'not_for_us',
      /neighbour 10\.0\.0\.78: drop/,
    ],
    [
      'with a bad checksum',
      () => Buffer.from(of({}).map((byte, at) => (at === 24 ? byte ^ 1 : byte))),
      'ipv4_checksum_bad',
      /its IPv4 header is wrong/,
    ],
    ['whose hops are used up', () => changed(of({ to: '10.0.1.12:22' }), 8, 1), 'ttl_exceeded', /hops: reject/],
    [
      'that is too big',
      () => of({ protocol: 'udp', payload: 'x'.repeat(1000) }),
      'packet_too_big',
      /port right: reject \(the packet is larger than its MTU, 1000 bytes\)/,
    ],
    ['of TCP in mid-stream', () => of({ flags: 'A', to: '10.0.1.12:23' }), 'tcp_no_flow', /flow: drop/],
    [
      'that is a later fragment',
      () => changed(of({ protocol: 'udp', payload: 'x'.repeat(64) }), 7, 2),
      'fragment_unmatched',
      /fragment: waits/,
    ],
    [
      'of another protocol of IP',
      () => changed(of({}), 9, 47),
      'forwarded',
      /flow: none[^]*route 10\.0\.1\.0\/24: by right/,
    ],
    ['from where nobody sends', () => of({ from: '127.0.0.1:9' }), 'source_invalid', /frame: drop/],
    ['to our own address', () => of({ to: '10.0.0.1:9' }), 'port_unreachable', /own address 10\.0\.0\.1:9: reject/],
  ]
  for (const [what, frame, reason, last] of kinds)
    it(`says ${reason} of one ${what}, and so it fares`, async () => {
      const bytes = frame()
      const said = await proxy.explain({ on: 'left', frame: bytes })
      assert.equal(said.reason, reason, String(said))
      assert.match(String(said), last)
      assert.deepEqual(await explain(mesh, { on: 'left', frame: bytes }), said, 'without a proxy')
      const counted = async () => (await proxy.stats()).reasons[said.reason]?.packets ?? 0
      const count = await counted()
      proxy.port('left').send([bytes])
      const end = Date.now() + 5000
      if (reason === 'fragment_unmatched') return // after it has waited
      while ((await counted()) === count) assert.ok(Date.now() < end, `nothing ended in ${reason}`)
    })

  it('passes on whatever comes by a joined port', async () => {
    for (const bytes of [Buffer.of(1), of({}), ethernet(mac, host, 0x88cc, Buffer.alloc(46))]) {
      const { reason, exit } = await proxy.explain({ on: 'a', frame: bytes })
      assert.deepEqual([reason, exit], ['passed_on', 'b'])
    }
  })

  it('tells a first packet as its tuple, offline and live', async () => {
    const asks: [Tuple, Packet][] = (
      [
        ['tcp', '10.0.0.10:40001', '10.96.0.10:80'],
        ['udp', '10.0.0.10:40001', '10.0.1.11:53'],
        ['tcp', '10.0.0.10:40001', '203.0.113.1:53'],
      ] as const
    ).map(([protocol, from, to]) => [
      { on: 'left', protocol, from, to },
      { protocol, from, to, flags: 'S' },
    ])
    const ways: ((input: Tuple | Frame) => Promise<Explanation>)[] = [
      (input) => proxy.explain(input),
      (input) => explain(mesh, input),
    ]
    for (const [tuple, content] of asks)
      for (const ask of ways) {
        const [byTuple, byFrame] = [await ask(tuple), await ask({ on: 'left', frame: of(content) })]
        assert.deepEqual(byFrame, byTuple)
        assert.equal(String(byFrame), String(byTuple))
      }
  })

  it('knows flows and their windows, and changes nothing', async () => {
    const open = { from: '10.0.0.10:41000', to: '10.0.1.11:22' }
    const ask = async (content: Partial<Packet>) => proxy.explain({ on: 'left', frame: of({ ...open, ...content }) })
    assert.equal((await ask({ sequence: 1 })).reason, 'forwarded')
    assert.equal((await ask({ flags: 'A', sequence: 2 })).reason, 'tcp_no_flow')
    proxy.port('left').send([of({ ...open, sequence: 1 })])
    const end = Date.now() + 5000
    while (!/found/.test(String(await ask({ sequence: 1 })))) assert.ok(Date.now() < end)
    assert.equal((await ask({ flags: 'A', sequence: 2 })).reason, 'tcp_state_invalid')
    const flows = async () => {
      const list = []
      for await (const { from, to, packets, bytes } of proxy.flows()) list.push({ from, to, packets, bytes })
      return list
    }
    const had = await flows()
    for (let port = 1; port < 20; port++) await ask({ from: `10.0.0.10:${port}` })
    assert.deepEqual(await flows(), had)
  })

  it('is the same over the control socket', async () => {
    const view = await FlatProxy.connect(control)
    for (const [, frame] of kinds) {
      const input = { on: 'left', frame: frame() }
      const [near, far] = [await proxy.explain(input), await view.explain(input)]
      assert.deepEqual({ ...far }, { ...near })
      assert.equal(String(far), String(near))
    }
    await assert.rejects(view.explain({ on: 'left', frame: of({}), protocol: 'tcp' } as never), /protocol: /)
    const roce: Tuple = { on: 'left', protocol: 'roce', from: '10.0.0.10', to: '10.0.1.11', qp: 9, opcode: 'ack' }
    assert.equal(String(await view.explain(roce)), String(await proxy.explain(roce)), 'the queue pair as well')
    const largest = Buffer.alloc(65_553)
    of({}).copy(largest)
    assert.equal((await view.explain({ on: 'left', frame: largest })).reason, 'forwarded')
    await view.close()
  })

  it('refuses what is no frame, with the key and what to do', async () => {
    for (const [input, message] of [
      [{ on: 'left', frame: new Uint8Array() }, /^frame: it has 0 bytes/],
      [{ on: 'left', frame: new Uint8Array(65_554) }, /^frame: it has 65554 bytes/],
      [{ on: 'left', frame: [1, 2] }, /^frame: it is no Uint8Array/],
      [{ on: 'left', frame: 'AAAA' }, /^frame: it is no Uint8Array/],
      [{ on: 'nowhere', frame: of({}) }, /^on: the mesh has no port 'nowhere'/],
      [{ on: 'host', frame: of({}) }, /no such port/],
      [{ on: 'left', frame: of({}), to: '10.0.0.1' }, /^to: it does not go with a frame/],
    ] as const)
      for (const ask of [(given: Frame) => proxy.explain(given), (given: Frame) => explain(mesh, given)])
        await assert.rejects(ask(input as Frame), (error: Error & Record<string, unknown>) => {
          assert.equal(error['code'], 'ERR_FLATPROXY_ARGUMENT')
          assert.match(error.message, message)
          return typeof error['remedy'] === 'string' && error['remedy'] !== ''
        })
  })

  it('is asked by flatproxy explain --frame', () => {
    const file = join(folder, 'mesh.json')
    writeFileSync(file, JSON.stringify(mesh))
    const run = (...args: string[]) =>
      spawnSync(process.execPath, [main, 'explain', file, '--on', 'left', ...args], { encoding: 'utf8' })
    const hex = of({}).toString('hex')
    const { stdout, status } = run('--frame', hex.replace(/(..)/g, '$1 ').toUpperCase())
    assert.equal(status, 0)
    assert.match(stdout, /^tcp 10\.0\.0\.10:40000 > 10\.0\.1\.11:22 by left: forward \(forwarded\), exit right/)
    for (const [args, message] of [
      [['--frame', `${hex.slice(0, 7)}x${hex.slice(8)}`], /--frame: 'x', character 8, is no hexadecimal digit/],
      [['--frame', hex.slice(1)], /--frame: it ends inside a byte, after 107 digits/],
      [['--frame', hex, '--to', '10.0.0.1'], /--to does not go with --frame/],
      [['--frame', ''], /frame: it has 0 bytes/],
    ] as const) {
      const { stderr, status: exit } = run(...args)
      assert.match(stderr, message)
      assert.notEqual(exit, 0)
    }
  })
})

describe('explain(mesh) of frames by ports that are not opened', () => {
  it('says that their MAC and MTU are not known, and takes them for ours', async () => {
    const far = defineMesh({
      ports: {
        wan: { type: 'iface', interface: 'none0', own: ['10.0.0.1/24'] },
        lan: { type: 'tap', name: 'fpx', own: ['10.0.1.1/24'] },
      },
    })
    const big = ethernet('02:00:00:00:00:77', host, 0x0800, emit({ ...packet, payload: 'x'.repeat(1600) }))
    const said = await explain(far, { on: 'wan', frame: big })
    assert.equal(said.reason, 'packet_too_big', "the MTU of a tap is its mesh's")
    assert.match(String(said), /port wan: not known \(its MAC and MTU/)
    assert.doesNotMatch(String(said), /port lan: not known/)
    assert.equal((await explain(far, { on: 'lan', frame: big })).reason, 'not_for_us')
  })
})
