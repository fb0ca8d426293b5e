// bench/client: what it says about latency must be so, above all when the server stalls.
import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { readLoadgen, readWrk } from '#lib/bench/measure/clients.js'

const folder = mkdtempSync(join(tmpdir(), 'flatproxy-loadgen-'))
const program = join(folder, 'loadgen')
const sources = ['loadgen', 'connection', 'histogram', 'options'].map((name) => `bench/client/${name}.c`)

before(() =>
  execFileSync('gcc', ['-O2', '-Wall', '-Wextra', '-Werror', '-o', program, ...sources, '-lssl', '-lcrypto']),
)
after(() => rmSync(folder, { recursive: true }))

async function serve(answer: Parameters<typeof createServer>[1], use: (port: number) => Promise<void>): Promise<void> {
  const server: Server = createServer(answer)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  try {
    await use((server.address() as AddressInfo).port)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

async function load(mode: string, port: number, ...options: string[]) {
  const { stdout } = await promisify(execFile)(program, [mode, '127.0.0.1', String(port), '/', ...options])
  return readLoadgen(stdout)
}

/** How many latencies lie above a bound, us. */
const above = (bound: number, { buckets }: Awaited<ReturnType<typeof load>>) =>
  buckets.reduce((sum, [upper, count]) => sum + (upper > bound ? count : 0), 0)

describe('the open-loop client', () => {
  it('sends evenly, and counts every answer', () =>
    serve(
      (_, response) => response.end('x'),
      async (port) => {
        const seen = await load('open', port, '--rate', '500', '--seconds', '1')
        assert.equal(seen.requests, 500)
        assert.equal(seen.failed, 0)
        assert.ok(seen.seconds >= 0.99 && seen.seconds < 1.9, `${seen.seconds}`)
        assert.equal(above(0, seen), 500)
      },
    ))

  // During 400 ms nobody is answered. A closed loop would see as many slow answers as it has connections; an open one
  // must see all that were due meanwhile, and half of them must have waited for more than half of the stall.
  for (const connections of [1, 64])
    it(`shows a stall of the server in all requests that were due meanwhile (${connections} connections)`, () => {
      let stalled = false
      return serve(
        (_, response) => {
          if (!stalled) {
            stalled = true
            setTimeout(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400), 200)
          }
          response.end('x')
        },
        async (port) => {
          const options = ['--rate', '500', '--seconds', '1', '--connections', String(connections)]
          const seen = await load('open', port, ...options)
          assert.equal(seen.requests, 500)
          const slow = above(200_000, seen)
          assert.ok(slow >= 80 && slow <= 350, `${slow} of 200 waited for more than 200 ms`)
          assert.ok(above(10_000, seen) >= 180, `${above(10_000, seen)} waited`)
          assert.ok(seen.p99 >= 350_000, `p99 ${seen.p99}`)
        },
      )
    })

  it('counts what is never answered, with the time that it has waited', () =>
    serve(
      () => {},
      async (port) => {
        const options = ['--rate', '100', '--seconds', '0.5', '--drain', '0.3', '--connections', '4']
        const seen = await load('open', port, ...options)
        assert.equal(seen.requests, 0)
        assert.equal(seen.failed, 50)
        assert.ok(above(290_000, seen) >= 49)
      },
    ))

  it('takes anything but a 200 for a failure', () =>
    serve(
      (_, response) => response.writeHead(503).end(),
      async (port) => {
        const seen = await load('open', port, '--rate', '100', '--seconds', '0.2')
        assert.deepEqual([seen.requests, seen.failed], [0, 20])
      },
    ))

  it('opens a connection for each request when it is told to', async () => {
    const ports = new Set<number>()
    await serve(
      (request, response) => (ports.add(request.socket.remotePort!), response.end('x')),
      async (port) => {
        const seen = await load('open', port, '--rate', '100', '--seconds', '0.5', '--close')
        assert.equal(seen.requests, 50)
      },
    )
    assert.equal(ports.size, 50)
  })

  it('refuses wrong arguments with 2', () => {
    for (const args of [
      [],
      ['open', '127.0.0.1', '80', '/'],
      ['open', 'x', '80', '/', '--rate', '1'],
      ['half', '127.0.0.1', '80', '/'],
      ['closed', '127.0.0.1', '0', '/'],
      ['closed', '127.0.0.1', '80', '/', '--seconds', '-1'],
    ])
      assert.throws(() => execFileSync(program, args, { stdio: 'ignore' }), { status: 2 }, args.join(' '))
  })
})

describe('the closed loop', () => {
  it('keeps every connection busy, bodies read whole', () => {
    const body = Buffer.alloc(100_000)
    return serve(
      (_, response) => response.end(body),
      async (port) => {
        const seen = await load('closed', port, '--seconds', '0.5', '--connections', '8')
        assert.ok(seen.requests > 50, `${seen.requests}`)
        assert.equal(seen.failed, 0)
      },
    )
  })
})

describe('the library that makes a program slower', () => {
  it('burns as much of its CPU time as it is told', () => {
    const library = join(folder, 'slow.so')
    execFileSync('gcc', ['-O2', '-shared', '-fPIC', '-o', library, 'bench/client/slow.c', '-ldl'])
    // The shell's `times`: user and system time of what it ran, in its second line.
    const cpuOf = (environment: string) => {
      const script = `env ${environment} dd if=/dev/zero of=/dev/null bs=64k count=60000 2>/dev/null; times`
      const line = execFileSync('sh', ['-c', script], { encoding: 'utf8' }).split('\n')[1]!
      return [...line.matchAll(/(\d+)m([\d.]+)s/g)].reduce((sum, [, m, s]) => sum + 60 * Number(m) + Number(s), 0)
    }
    // By turns, several times: of one run the clock's ticks and the machine's other work are a large part.
    let [plain, slow] = [0, 0]
    for (let turn = 0; turn < 6; turn++) {
      plain += cpuOf('A=1')
      slow += cpuOf(`LD_PRELOAD=${library} FLATPROXY_BENCH_SLOW_PERCENT=100`)
    }
    assert.ok(slow / plain > 1.6 && slow / plain < 2.6, `${plain} s, ${slow} s`)
  })
})

describe("wrk's words", () => {
  const said = (more: string) => `  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   350.11us   90.00us   2.10ms   70.00%
  Latency Distribution
     50%  341.00us
     75%  380.00us
     90%    1.20ms
     99%    2.00s
  46137 requests in 1.01s, 7.35MB read
${more}Requests/sec:  45680.00
`

  it('are understood', () => {
    const { requests, seconds, p50, p99, failed } = readWrk(said(''))
    assert.deepEqual(
      { requests, seconds, p50, p99, failed },
      { requests: 46137, seconds: 1.01, p50: 341, p99: 2e6, failed: 0 },
    )
  })

  it('count errors of every kind', () => {
    const errors = '  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 5\n'
    assert.equal(readWrk(said(errors)).failed, 15)
  })

  it('are refused when there are none', () => {
    assert.throws(() => readWrk('unable to connect'), { code: 'ERR_FLATPROXY_SYSTEM' })
  })
})
