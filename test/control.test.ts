// The control socket: who may open it, what it carries, and what it bears.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, describe, it } from 'node:test'
import { connectControl } from '#lib/control/client.js'
import { controlLimits } from '#lib/control/protocol.js'
import { openControl, type ControlServer, type Shown } from '#lib/control/server.js'
import { FlatProxyError } from '#lib/errors.js'
import type {
  CaptureOptions,
  ExchangeStats,
  Explanation,
  Flow,
  ListenerStats,
  PacketCapture,
  Stats,
  TcpStats,
} from '#lib/api.js'

const folder = mkdtempSync(join(tmpdir(), 'flatproxy-control-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const flow = (index: number): Flow => ({
  on: 'uplink',
  protocol: 'tcp',
  from: `10.0.0.1:${index}`,
  to: '10.96.0.10:80',
  verdict: 'forward',
  reason: 'service_forwarded',
  tier: 'lane',
  packets: index,
  bytes: index * 100,
  state: 'established',
  openedAt: 1_700_000_000_000,
})

const stats: Stats = {
  at: 1_700_000_000_000,
  generation: 3,
  ports: { uplink: { receivedPackets: 1, sentPackets: 2, spoofedPackets: 0 } },
  services: Object.fromEntries(
    Array.from({ length: 3_000 }, (_, index) => [
      `service-${index}`,
      { packets: index, bytes: index, newFlows: index, activeFlows: index },
    ]),
  ),
  listeners: Object.fromEntries(
    Array.from({ length: 3_000 }, (_, index) => [
      `listener-${index}`,
      { newConnections: index, activeConnections: index } as ListenerStats,
    ]),
  ),
  routes: Object.fromEntries(
    Array.from({ length: 300 }, (_, index) => [`route-${index}`, { requests: index } as ExchangeStats]),
  ),
  endpoints: Object.fromEntries(
    Array.from({ length: 3 }, (_, service) => [
      `service-${service}`,
      Object.fromEntries(
        Array.from({ length: 200 }, (_, index) => [
          `10.0.${service}.${index}:80`,
          { requests: index } as ExchangeStats,
        ]),
      ),
    ]),
  ),
  policies: {
    watched: { flows: 3, untold: 1, limitedPackets: 2, limitedBytes: 90, mirroredPackets: 4, mirrorLost: 1 },
  },
  accessLog: { written: 1, lost: 2 },
  tcp: { connections: 3 } as TcpStats,
  roce: { flows: 1 } as Stats['roce'],
  reasons: { forwarded: { packets: 5, bytes: 500 } } as unknown as Stats['reasons'],
  lanes: [{ core: 0, busy: 0.5, flows: 7, flowCapacity: 64, buffersInUse: 0 }],
  lostEvents: 0,
}

/** A proxy as its control socket sees it: as many flows as are asked for, and events without end. */
class Fake implements Shown {
  made = 0
  ended = 0
  asked: unknown
  async stats() {
    return stats
  }
  async *flows(filter: { limit?: number } = {}) {
    this.asked = filter
    try {
      for (let index = 0; index < (filter.limit ?? Infinity); index++) {
        this.made++
        yield flow(index)
        if (index % 1024 === 1023) await new Promise(setImmediate)
      }
    } finally {
      this.ended++
    }
  }
  async *events({ signal }: { signal?: AbortSignal }) {
    try {
      yield { events: [], lost: 3 }
      yield {
        events: Array.from({ length: 300 }, () => ({ type: 'port:up', at: 1, port: 'uplink' })),
        lost: 2,
      } as never
      await once(signal!, 'abort')
    } finally {
      this.ended++
    }
  }
  async explain(input: unknown) {
    this.asked = input
    const explanation = { verdict: 'drop', reason: 'no_route', tier: 'lane', steps: [] } as unknown as Explanation
    return Object.defineProperty(explanation, 'toString', { value: () => 'dropped: no route' })
  }
  capture(options: CaptureOptions = {}): PacketCapture {
    this.asked = options
    return Object.assign(this.parts(options.filter), { packets: 7, lost: 3 })
  }
  private async *parts(filter?: string): AsyncGenerator<Uint8Array, undefined> {
    if (filter === 'none') throw new FlatProxyError('ERR_FLATPROXY_UNSUPPORTED', 'no captures', { remedy: 'wait' })
    yield Uint8Array.of(1, 2, 255)
    yield new Uint8Array(controlLimits.captureBytes + 1).fill(9)
  }
}

let count = 0
const open: ControlServer[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()))
})
async function serve(view: Shown = new Fake(), path = join(folder, `${++count}.sock`)) {
  const server = await openControl(path, view)
  open.push(server)
  return server
}
const refused =
  (code: string, pattern = /./) =>
  (error: FlatProxyError) => {
    assert.equal(error.code, `ERR_FLATPROXY_${code}`)
    assert.match(error.message, pattern)
    return true
  }
async function until(condition: () => boolean) {
  for (let tries = 0; tries < 500 && !condition(); tries++) await new Promise((done) => setTimeout(done, 10))
  assert.ok(condition())
}

describe('a view by the control socket', () => {
  it('has the statistics, thousands of services included', async () => {
    await using view = await connectControl((await serve()).path)
    assert.deepEqual(await view.stats(), stats)
  })

  it('lists the flows that were asked for', async () => {
    const fake = new Fake()
    await using view = await connectControl((await serve(fake)).path)
    const seen: string[] = []
    for await (const { from } of view.flows({ service: 'shop', limit: 1_000 })) seen.push(from)
    assert.equal(seen.length, 1_000)
    assert.equal(seen[999], flow(999).from)
    assert.deepEqual(
      { ...(fake.asked as object), signal: undefined },
      { service: 'shop', limit: 1_000, signal: undefined },
    )
  })

  it('takes no more flows than are read, and ends the listing when the reader has enough', async () => {
    const fake = new Fake()
    await using view = await connectControl((await serve(fake)).path)
    const flows = view.flows()
    await flows.next()
    await new Promise((done) => setTimeout(done, 300))
    const made = fake.made
    await new Promise((done) => setTimeout(done, 200))
    assert.equal(fake.made, made)
    assert.ok(made < 50_000, `${made} flows`)
    await flows.return!()
    await until(() => fake.ended === 1)
  })

  it('carries events in batches, loses none, and tells the engine when nobody listens any more', async () => {
    const fake = new Fake()
    await using view = await connectControl((await serve(fake)).path)
    const stop = new AbortController()
    let [events, lost] = [0, 0]
    await assert.rejects(
      async () => {
        for await (const batch of view.events({ types: ['port:up'], signal: stop.signal })) {
          events += batch.events.length
          lost += batch.lost
          if (events === 300) stop.abort()
        }
      },
      { name: 'AbortError' },
    )
    assert.deepEqual([events, lost], [300, 5])
    await until(() => fake.ended === 1)
  })

  it('brings explanations with their words, and frames as they are', async () => {
    const fake = new Fake()
    await using view = await connectControl((await serve(fake)).path)
    const explanation = await view.explain({ on: 'uplink', frame: Uint8Array.of(1, 2, 255) })
    assert.equal(explanation.toString(), 'dropped: no route')
    assert.deepEqual(fake.asked, { on: 'uplink', frame: Buffer.of(1, 2, 255) })
  })

  it('brings captures in parts, with what was counted', async () => {
    const fake = new Fake()
    await using view = await connectControl((await serve(fake)).path)
    const options = {
      filter: 'tcp',
      verdict: 'drop',
      ports: ['uplink'],
      snapLength: 96,
      limit: 9,
      duration: '5s',
    } as const
    const captured = view.capture(options)
    assert.deepEqual((await captured.next()).value, Buffer.of(1, 2, 255))
    assert.deepEqual([captured.packets, captured.lost], [7, 3])
    const lengths: number[] = []
    for await (const { length } of captured) lengths.push(length)
    assert.deepEqual(lengths, [controlLimits.captureBytes, 1])
    assert.deepEqual({ ...(fake.asked as object), signal: undefined }, { ...options, signal: undefined })
    await assert.rejects(view.capture({ ports: 'uplink' } as never).next(), refused('ARGUMENT', /ports/))
  })

  it('brings errors with code and remedy', async () => {
    await using view = await connectControl((await serve()).path)
    await assert.rejects(view.capture({ filter: 'none' }).next(), {
      code: 'ERR_FLATPROXY_UNSUPPORTED',
      message: 'no captures',
      remedy: 'wait',
    })
    await assert.rejects(view.flows({ limit: -1 }).next(), refused('ARGUMENT', /limit/))
    await assert.rejects(view.events({ types: [] }).next(), refused('ARGUMENT', /types/))
  })

  it('rejects with the abort', async () => {
    await using view = await connectControl((await serve()).path)
    await assert.rejects(view.stats({ signal: AbortSignal.abort() }), { name: 'AbortError' })
    await assert.rejects(connectControl((await serve()).path, { signal: AbortSignal.abort() }), { name: 'AbortError' })
  })

  it('is closed by its own close(), and by that of the proxy', async () => {
    const server = await serve()
    const [mine, theirs] = [await connectControl(server.path), await connectControl(server.path)]
    const [first, second] = [mine.flows(), theirs.events({ types: ['port:up'] })]
    await Promise.all([first.next(), second.next()])
    await mine.close()
    await assert.rejects(mine.stats(), refused('CLOSED'))
    const ends = assert.rejects(async () => {
      while (!(await second.next()).done);
    }, refused('CLOSED'))
    await server.close()
    await ends
    await assert.rejects(theirs.stats(), refused('CONTROL', /no control socket/))
  })
})

describe('the control socket', () => {
  it('is open to its owner alone, and removed at close', async () => {
    const server = await serve()
    assert.equal(statSync(server.path).mode & 0o777, 0o600)
    await server.close()
    assert.equal(existsSync(server.path), false)
  })

  it('is refused where somebody listens already', async () => {
    const { path } = await serve()
    await assert.rejects(serve(new Fake(), path), refused('CONTROL', /another process listens/))
    await using view = await connectControl(path)
    assert.equal((await view.stats()).generation, 3)
  })

  it('replaces the socket of a process that was killed', async () => {
    const path = join(folder, 'killed.sock')
    const child = spawn(process.execPath, [
      '-e',
      `require('net').createServer().listen('${path}', () => console.log())`,
    ])
    await once(child.stdout, 'data')
    child.kill('SIGKILL')
    await once(child, 'exit')
    assert.ok(statSync(path).isSocket())
    await assert.rejects(connectControl(path), refused('CONTROL', /nobody listens/))
    await using view = await connectControl((await serve(new Fake(), path)).path)
    assert.equal((await view.stats()).generation, 3)
  })

  it('leaves what is not a socket alone', async () => {
    const path = join(folder, 'file')
    writeFileSync(path, 'precious')
    await assert.rejects(serve(new Fake(), path), refused('CONTROL', /not a socket/))
    assert.ok(existsSync(path))
  })

  it('does not remove the socket that took its place', async () => {
    const server = await serve()
    rmSync(server.path)
    const other = await serve(new Fake(), server.path)
    await server.close()
    assert.ok(existsSync(other.path))
  })

  it('is refused in a folder where everybody may replace it, unless it is sticky', async () => {
    const shared = join(folder, 'shared')
    mkdirSync(shared)
    chmodSync(shared, 0o777)
    await assert.rejects(serve(new Fake(), join(shared, 's.sock')), refused('CONTROL', /everybody may replace/))
    chmodSync(shared, 0o1777)
    await serve(new Fake(), join(shared, 's.sock'))
  })

  it('is refused without its folder, or with too long a path', async () => {
    await assert.rejects(serve(new Fake(), join(folder, 'none/s.sock')), refused('CONTROL', /folder/))
    await assert.rejects(serve(new Fake(), join(folder, 'x'.repeat(120))), refused('CONTROL', /too long/))
  })

  it('leaves nothing else in its folder', async () => {
    const place = mkdtempSync(join(folder, 'clean-'))
    await serve(new Fake(), join(place, 's.sock'))
    assert.deepEqual(readdirSync(place), ['s.sock'])
  })

  it('bears what is not its protocol', async () => {
    const { path } = await serve()
    const talk = async (text: string) => {
      const socket = connect(path)
      let heard = ''
      socket.on('data', (data: Buffer) => (heard += data.toString()))
      socket.on('error', () => {})
      socket.write(text)
      await once(socket, 'close')
      return heard
    }
    assert.match(await talk('GET / HTTP/1.1\n'), /not JSON/)
    assert.match(await talk('[]\n'), /not an object/)
    assert.match(await talk('{"method":"__proto__"}\n'), /no such request/)
    assert.match(await talk('{"method":"stats","params":[]}\n'), /no such request/)
    assert.match(await talk(`${'x'.repeat(controlLimits.requestBytes + 1)}`), /more than/)
    await using view = await connectControl(path)
    assert.equal((await view.stats()).generation, 3)
  })

  it('takes a bounded number of clients', async () => {
    const { path } = await serve()
    const sockets = Array.from({ length: controlLimits.connections }, () => connect(path))
    await Promise.all(sockets.map((socket) => once(socket, 'data')))
    await assert.rejects(connectControl(path), refused('CONTROL'))
    for (const socket of sockets) socket.destroy()
  })
})

describe('a client', () => {
  async function listen(answer: string) {
    const path = join(folder, `${++count}.sock`)
    const server = createServer((socket) => socket.on('error', () => {}).write(answer)).listen(path)
    await once(server, 'listening')
    return { path, [Symbol.dispose]: () => server.close() }
  }

  it('tells of a path where nothing is', async () => {
    await assert.rejects(connectControl(join(folder, 'nothing.sock')), refused('CONTROL', /no control socket/))
  })

  it('refuses another protocol', async () => {
    using server = await listen('{"flatproxy":99,"version":"9.9.9"}\n')
    await assert.rejects(connectControl(server.path), refused('CONTROL', /another protocol \(flatproxy 9.9.9\)/))
  })

  it('does not wait for ever', async () => {
    using server = await listen('')
    await assert.rejects(connectControl(server.path), refused('CONTROL', /does not answer/))
  })
})
