// capture(): packets of a running proxy, each with how it ended; in the process, by the control socket, as a command.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { defineMesh, FlatProxy, replay, type CaptureOptions, type PacketCapture, type View } from '#lib/index.js'
import { readPcapng } from '../support/pcapng.js'
import { Host, type Packet } from './host.js'

const folder = mkdtempSync(join(tmpdir(), 'flatproxy-capture-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const control = join(folder, 'control')
const main = join(process.cwd(), 'dist/cli/main.js')

const mesh = defineMesh({
  ports: { left: { type: 'memory', own: ['10.0.0.1/24'] }, right: { type: 'memory', own: ['10.0.1.1/24'] } },
  workloads: {
    client: { on: 'left', addresses: ['10.0.0.10'] },
    shop: { on: 'right', addresses: ['10.0.1.11'], labels: { app: 'shop' } },
  },
  services: {
    web: { address: '10.96.0.10', port: 80, protocol: 'udp', endpoints: [{ workload: 'shop', port: 8080 }] },
  },
  policies: [
    { name: 'no-dns', to: { labels: { app: 'shop' } }, ports: [{ protocol: 'udp', port: 53 }], action: 'deny' },
    { name: 'no-ssh', to: { labels: { app: 'shop' } }, ports: [{ protocol: 'tcp', port: 22 }], action: 'reject' },
  ],
})

let proxy: FlatProxy
let client: Host
let server: Host
before(async () => {
  proxy = await FlatProxy.start({ mesh, control })
  client = await new Host(proxy.port('left'), '02:00:00:00:00:0a', '10.0.0.10', '10.0.0.1').join()
  server = await new Host(proxy.port('right'), '02:00:00:00:00:0b', '10.0.1.11', '10.0.1.1').join()
  // Neighbours are known from here on.
  client.send(datagram('10.0.1.11:9', 'first'))
  await server.expect({ payload: 'first' })
})
after(() => proxy.close())

const datagram = (to: string, payload = '', port = 4000): Packet => ({
  protocol: 'udp',
  from: `10.0.0.10:${port}`,
  to,
  payload,
})
const refused = (code: string, message = /./) => ({ code: `ERR_FLATPROXY_${code}`, message })

/** A capture that has begun, and all that it gives. */
async function begun(captured: PacketCapture) {
  const parts = [(await captured.next()).value as Uint8Array]
  const rest = (async () => {
    for await (const part of captured) parts.push(part)
  })()
  return {
    captured,
    rest,
    bytes: () => Buffer.concat(parts),
    read: () => readPcapng(Buffer.concat(parts)),
    async until(packets: number) {
      for (let tries = 0; tries < 500 && captured.packets < packets; tries++) await sleep(10)
      return readPcapng(Buffer.concat(parts))
    },
  }
}
const left: PacketCapture[] = []
// One test that fails is not to take the others' captures.
afterEach(() => Promise.all(left.splice(0).map((captured) => captured.return!())))
function capture(options: CaptureOptions = {}) {
  const captured = proxy.capture(options)
  left.push(captured)
  return begun(captured)
}

describe('capture', () => {
  it('has packets as they came, with their ports, times and verdicts', async () => {
    const running = await capture({ filter: 'udp or tcp' })
    assert.deepEqual(running.read().interfaces, ['left', 'right'])
    const sent = [
      datagram('10.0.1.11:9', 'plain'),
      datagram('10.96.0.10:80', 'service'),
      datagram('10.0.1.11:53', 'denied'),
      datagram('10.99.9.9:1', 'nowhere'),
    ]
    const from = BigInt(Date.now()) * 1_000_000n
    for (const packet of sent) client.send(packet)
    client.send({ protocol: 'tcp', from: '10.0.0.10:1', to: '10.0.1.11:22', flags: 'S' })
    const { packets } = await running.until(5)
    await running.captured.return!()
    await running.rest
    const received = packets.filter(({ outbound }) => !outbound)
    assert.deepEqual(
      received.slice(0, 4).map(({ bytes }) => bytes),
      sent.map((packet) => client.frame(packet)),
    )
    assert.deepEqual(
      received.map(({ on, comment }) => [on, comment]),
      [
        ['left', 'forwarded, exit right'],
        ['left', 'forwarded: service_forwarded, exit right'],
        ['left', 'dropped: policy_denied by policy no-dns'],
        ['left', 'rejected: no_route'],
        ['left', 'rejected: policy_rejected by policy no-ssh'],
      ],
    )
    for (const { at } of packets) assert.ok(at >= from - 100_000_000n && at <= from + 30_000_000_000n, String(at))
  })

  it('has what the proxy sends by itself, as it leaves', async () => {
    const running = await capture({ filter: 'icmp' })
    client.send(datagram('10.99.9.9:1', 'nowhere'))
    const { packets } = await running.until(1)
    await running.captured.return!()
    const [{ on, comment, outbound, bytes }] = packets as [(typeof packets)[0]]
    assert.deepEqual([on, comment, outbound, bytes[34]], ['left', 'originated, exit left', true, 3])
  })

  it('takes what is asked for: by filter, verdict, port, length and number', async () => {
    const captures = {
      filter: await capture({ filter: 'udp dst port 7777' }),
      drop: await capture({ verdict: 'drop', filter: 'udp' }),
      right: await capture({ ports: ['right'], limit: 1 }),
      short: await capture({ ports: ['left'], filter: 'udp', snapLength: 20, limit: 2 }),
    }
    assert.deepEqual(captures.right.read().interfaces, ['right'])
    for (const port of [7776, 7777, 53]) client.send(datagram(`10.0.1.11:${port}`, 'x'.repeat(100)))
    server.send({ protocol: 'udp', from: '10.0.1.11:9', to: '10.0.0.10:1', payload: 'back' })
    await Promise.all([captures.right.rest, captures.short.rest])
    const ports = (file: ReturnType<typeof readPcapng>) => file.packets.map(({ bytes }) => bytes.readUInt16BE(36))
    assert.deepEqual(ports(await captures.filter.until(1)), [7777])
    assert.deepEqual(ports(await captures.drop.until(1)), [53])
    assert.deepEqual(
      captures.right.read().packets.map(({ on }) => on),
      ['right'],
    )
    const short = captures.short.read()
    assert.deepEqual(
      short.packets.map(({ bytes, original }) => [bytes.length, original]),
      [
        [20, 142],
        [20, 142],
      ],
    )
    assert.deepEqual([...short.statistics.keys()], ['left'])
    await Promise.all([captures.filter.captured.return!(), captures.drop.captured.return!()])
  })

  it('can be replayed, with the same ends', async () => {
    const running = await capture({ filter: 'udp', ports: ['left'], limit: 3 })
    for (const to of ['10.96.0.10:80', '10.0.1.11:53', '10.0.1.11:9']) client.send(datagram(to, 'again', 4100))
    await running.rest
    const path = join(folder, 'round.pcapng')
    writeFileSync(path, running.bytes())
    const { packets, reasons } = await replay({ mesh, inputs: { left: path } })
    assert.equal(packets, 3)
    assert.deepEqual([reasons.forwarded, reasons.service_forwarded, reasons.policy_denied], [1, 1, 1])
  })

  it('ends after its duration, with its statistics', async () => {
    const start = performance.now()
    const running = await capture({ duration: '300ms' })
    client.send(datagram('10.0.1.11:9'))
    await running.rest
    assert.ok(performance.now() - start > 290)
    const { packets, statistics } = running.read()
    assert.equal(packets.length, 1)
    assert.deepEqual(statistics.get('left'), { received: 1n, dropped: 0n, accepted: 1n })
    assert.deepEqual(await running.captured.next(), { done: true, value: undefined })
  })

  it('rejects with its abort, once', async () => {
    const stop = new AbortController()
    const captured = proxy.capture({ signal: stop.signal })
    await captured.next()
    const pending = captured.next()
    stop.abort(new Error('enough'))
    await assert.rejects(pending, /enough/)
    assert.equal((await captured.next()).done, true)
    await assert.rejects(proxy.capture({ signal: stop.signal }).next(), /enough/)
  })

  it('ends for one who leaves while he waits', async () => {
    const captured = proxy.capture({ filter: 'port 1' })
    await captured.next()
    const pending = captured.next()
    await captured.return!()
    assert.equal((await pending).done, true)
    await proxy.capture().return!()
  })

  it('refuses what is wrong, and starts nothing', async () => {
    const wrong: [object, RegExp][] = [
      [{ filter: 'tcp prot 80' }, /the filter 'tcp prot 80' is refused: .*syntax error/],
      [{ filter: 'ip6 protochain 6' }, /loops/],
      [{ filter: 7 }, /filter/],
      [{ verdict: 'lost' }, /forward, answer, terminate, drop, reject/],
      [{ snapLength: 0 }, /from 1 to 262144/],
      [{ snapLength: 262_145 }, /from 1 to 262144/],
      [{ ports: ['left', 'nope'] }, /no port 'nope'/],
      [{ limit: 0 }, /limit/],
      [{ duration: 'soon' }, /duration/],
      [{ colour: 'red' }, /no option colour/],
    ]
    for (const [options, message] of wrong)
      await assert.rejects(proxy.capture(options).next(), refused('ARGUMENT', message), JSON.stringify(options))
    await all([{}, {}, {}, {}])
  })

  it('is had four times at once, however each of them ends', async () => {
    for (let round = 0; round < 3; round++) {
      const stop = new AbortController()
      const four = [{ signal: stop.signal }, {}, {}, { limit: 1 }].map((options) => proxy.capture(options))
      await Promise.all(four.map((captured) => captured.next()))
      await assert.rejects(proxy.capture().next(), refused('RESOURCE', /4 captures/))
      client.send(datagram('10.0.1.11:9'))
      for (const captured of four) assert.equal((await captured.next()).done, false)
      stop.abort()
      await assert.rejects(four[0]!.next(), { name: 'AbortError' })
      await Promise.all([four[1]!.return!(), four[2]!.return!()])
      while (!(await four[3]!.next()).done);
    }
    await all([{}, {}, {}, {}])
  })

  it('loses and counts what is not taken, and holds nobody up', async () => {
    const captured = proxy.capture({ filter: 'udp port 6000' })
    const parts = [(await captured.next()).value as Uint8Array]
    const frame = client.frame(datagram('10.99.9.9:6000', 'x'.repeat(1400)))
    const total = 20_000
    const before = (await proxy.stats()).reasons.no_route.packets
    for (let sent = 0; sent < total; await sleep(1))
      sent += proxy.port('left').send(Array.from({ length: Math.min(1000, total - sent) }, () => frame))
    while ((await proxy.stats()).reasons.no_route.packets < before + total) await sleep(10)
    const ends = proxy.capture({ duration: '1ms' })
    while (!(await ends.next()).done);
    while (captured.packets + captured.lost < total) parts.push((await captured.next()).value as Uint8Array)
    assert.ok(captured.lost > 0)
    assert.ok(captured.packets > 9_000, String(captured.packets))
    await captured.return!()
    assert.equal(readPcapng(Buffer.concat(parts)).packets.length, captured.packets)
  })
})

/** Captures that begin, and are left. */
async function all(options: CaptureOptions[], from: Pick<View, 'capture'> = proxy): Promise<void> {
  const captures = options.map((each) => from.capture(each))
  await Promise.all(captures.map((captured) => captured.next()))
  await Promise.all(captures.map((captured) => captured.return!()))
}

describe('capture, when the proxy is closed', () => {
  it('ends after what has come', async () => {
    const closing = await FlatProxy.start({ mesh })
    const host = await new Host(closing.port('left'), '02:00:00:00:00:0a', '10.0.0.10', '10.0.0.1').join()
    const running = await begun(closing.capture({ filter: 'udp' }))
    const waiting = closing.capture()
    await waiting.next()
    host.send(datagram('10.99.9.9:1'))
    while ((await closing.stats()).reasons.no_route.packets === 0) await sleep(1)
    await closing.close()
    await running.rest
    assert.deepEqual(
      running.read().packets.map(({ comment }) => comment),
      ['rejected: no_route'],
    )
    await waiting.return!()
    await assert.rejects(closing.capture().next(), refused('CLOSED'))
  })
})

describe('capture, by the control socket', () => {
  it('brings the same, and ends for clients that go', async () => {
    await using view = await FlatProxy.connect(control)
    const running = await begun(view.capture({ filter: 'udp', ports: ['left'], limit: 2, snapLength: 100 }))
    client.send(datagram('10.96.0.10:80'))
    client.send(datagram('10.0.1.11:53'))
    await running.rest
    assert.deepEqual(
      running.read().packets.map(({ comment }) => comment),
      ['forwarded: service_forwarded, exit right', 'dropped: policy_denied by policy no-dns'],
    )
    assert.deepEqual([running.captured.packets, running.captured.lost], [2, 0])
    await assert.rejects(view.capture({ filter: 'nonsense!' }).next(), refused('ARGUMENT', /nonsense!/))
    await assert.rejects(view.capture({ verdict: 'no' }).next(), refused('ARGUMENT', /verdict/))
    const pending = view.capture({ filter: 'port 1' })
    await pending.next()
    const next = pending.next()
    await pending.return!()
    assert.equal((await next).done, true)
    const stop = new AbortController()
    const aborted = view.capture({ signal: stop.signal })
    await aborted.next()
    stop.abort()
    await assert.rejects(aborted.next(), { name: 'AbortError' })
    await free(view)
  })
})

/** Waits until four captures can be had: the proxy hears of a client that has gone a moment later. */
async function free(view: View): Promise<void> {
  for (let tries = 0; ; tries++)
    try {
      return await all([{}, {}, {}, {}], view)
    } catch (error) {
      if (tries > 200) throw error
      await sleep(10)
    }
}

describe('flatproxy capture', () => {
  function flatproxy(...args: string[]) {
    const child = spawn(process.execPath, [main, 'capture', '--control', control, ...args])
    const parts: Buffer[] = []
    let said = ''
    child.stdout.on('data', (part: Buffer) => parts.push(part))
    child.stderr.on('data', (part: Buffer) => (said += part.toString()))
    const closed = once(child, 'close') as Promise<[number | null]>
    const ended = async () => ({ status: (await closed)[0], said, bytes: Buffer.concat(parts) })
    return { child, ended, begun: () => parts.length > 0 }
  }
  async function until(condition: () => boolean) {
    for (let tries = 0; tries < 1_000 && !condition(); tries++) await sleep(10)
    assert.ok(condition())
  }

  it('writes to a pipe, until it has enough', async () => {
    const run = flatproxy('--filter', 'udp port 53', '--on', 'left', '--verdict', 'drop', '--limit', '2')
    await until(run.begun)
    for (const port of [53, 54, 53]) client.send(datagram(`10.0.1.11:${port}`))
    const { status, said, bytes } = await run.ended()
    assert.deepEqual([status, said], [0, '2 packets captured, 0 lost\n'])
    const { packets } = readPcapng(bytes)
    assert.equal(packets.length, 2)
    assert.ok(packets.every(({ comment }) => comment === 'dropped: policy_denied by policy no-dns'))
  })

  it("writes to a file that is its owner's, until Ctrl-C", async () => {
    const path = join(folder, 'file.pcapng')
    const run = flatproxy('--filter', 'udp', '-o', path)
    await until(() => existsSync(path) && statSync(path).size > 0)
    client.send(datagram('10.0.1.11:53'))
    await until(() => readPcapng(readFileSync(path), true).packets.length === 1)
    run.child.kill('SIGINT')
    const { status, said } = await run.ended()
    assert.deepEqual([status, said], [0, '1 packet captured, 0 lost\n'])
    assert.equal(readPcapng(readFileSync(path)).packets.length, 1)
    assert.equal(statSync(path).mode & 0o777, 0o600)
  })

  it('refuses what is wrong, and leaves files as they are', async () => {
    const path = join(folder, 'kept')
    writeFileSync(path, 'kept')
    const bad = await flatproxy('--filter', 'tcp prot', '-o', path).ended()
    assert.equal(bad.status, 1)
    assert.match(bad.said, /the filter 'tcp prot' is refused: .*syntax error/)
    assert.equal(readFileSync(path, 'utf8'), 'kept')
    assert.equal((await flatproxy('--verdict', 'lost').ended()).status, 2)
    assert.equal((await flatproxy('--duration', 'soon').ended()).status, 2)
    assert.equal((await flatproxy('--duration', '1ms', '-o', join(folder, 'none/x')).ended()).status, 3)
  })
})
