// `flatproxy top`: what it makes of two looks at a proxy, and what it prints.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { topReport, type Sample, type TopReport } from '#lib/cli/top-report.js'
import { defineMesh, FlatProxy, type Flow, type Stats } from '#lib/index.js'
import { Host } from './proxy/host.js'

const flow = (from: string, packets: number, bytes: number, openedAt = 0): Flow => ({
  on: 'uplink',
  protocol: 'tcp',
  from,
  to: '10.96.0.10:80',
  verdict: 'forward',
  reason: 'forwarded',
  tier: 'lane',
  packets,
  bytes,
  state: 'established',
  openedAt,
})

function sample(at: number, forwarded: number, denied: number, newFlows: number, flows: Flow[]): Sample {
  const reasons = {
    forwarded: { packets: forwarded, bytes: 100 * forwarded },
    policy_denied: { packets: denied, bytes: 60 * denied },
    no_route: { packets: 5, bytes: 300 },
    originated: { packets: 7 * forwarded, bytes: 1e9 * forwarded },
  }
  const stats = {
    at,
    generation: 3,
    services: { web: { newFlows } },
    listeners: { door: { newConnections: 2 * newFlows } },
    lanes: [
      { flows: 3, busy: 0.5 },
      { flows: 4, busy: 0.1 },
    ],
    reasons,
  } as unknown as Stats
  return { stats, flows }
}

const verdicts = new Map([
  ['forwarded', 'forward'],
  ['policy_denied', 'drop'],
  ['no_route', 'reject'],
  ['originated', 'forward'],
])

describe('a report of what a proxy does', () => {
  const earlier = sample(10_000, 1000, 10, 4, [flow('a', 10, 1000), flow('b', 10, 5000), flow('c', 90, 90_000)])
  const later = sample(12_000, 3000, 30, 10, [
    flow('a', 30, 3000, 3),
    flow('b', 10, 5000),
    flow('c', 4, 400, 11_000),
    flow('d', 2, 200),
  ])

  it('has amounts of a second, without what the proxy sends by itself', () => {
    const report = topReport(later, earlier, verdicts, 10)
    assert.equal(report.seconds, 2)
    assert.deepEqual(report.received, { packets: 1010, bits: 8 * (100_000 + 600) })
    assert.deepEqual([report.newFlows, report.newConnections], [3, 6])
    assert.deepEqual([report.flows, report.busy, report.generation], [7, 0.3, 3])
    assert.deepEqual(report.refused, [{ reason: 'policy_denied', packets: 10, bits: 4800 }])
  })

  it('has the flows with the most bits first; one that is there anew is another one', () => {
    const report = topReport(later, earlier, verdicts, 3)
    assert.deepEqual(
      report.top.map(({ from, rate }) => [from, rate]),
      [
        ['a', { packets: 10, bits: 8000 }],
        ['c', { packets: 2, bits: 1600 }],
        ['d', { packets: 1, bits: 800 }],
      ],
    )
  })

  it('is never negative', () => {
    const report = topReport(earlier, later, verdicts, 1)
    assert.deepEqual([report.received.packets, report.newFlows, report.refused], [0, 0, []])
  })
})

describe('flatproxy top', () => {
  const folder = mkdtempSync(join(tmpdir(), 'flatproxy-top-'))
  const control = join(folder, 'control')
  const main = join(process.cwd(), 'dist/cli/main.js')
  const mesh = defineMesh({
    ports: { left: { type: 'memory', own: ['10.0.0.1/24'] }, right: { type: 'memory', own: ['10.0.1.1/24'] } },
    services: {
      web: { address: '10.96.0.10', port: 80, protocol: 'udp', endpoints: [{ address: '10.0.1.11', port: 1 }] },
    },
  })
  let proxy: FlatProxy
  let timer: NodeJS.Timeout
  before(async () => {
    proxy = await FlatProxy.start({ mesh, control })
    const client = await new Host(proxy.port('left'), '02:00:00:00:00:0a', '10.0.0.10', '10.0.0.1').join()
    await new Host(proxy.port('right'), '02:00:00:00:00:0b', '10.0.1.11', '10.0.1.1').join()
    const ask = (to: string) => client.send({ protocol: 'udp', from: '10.0.0.10:4000', to, payload: 'x'.repeat(500) })
    timer = setInterval(() => [ask('10.96.0.10:80'), ask('10.99.9.9:80')], 5)
  })
  after(async () => {
    clearInterval(timer)
    await proxy.close()
    rmSync(folder, { recursive: true })
  })

  function flatproxy(...args: string[]) {
    const child = spawn(process.execPath, [main, 'top', '--control', control, ...args])
    let output = ''
    child.stdout.on('data', (part: Buffer) => (output += part.toString()))
    const closed = once(child, 'close') as Promise<[number | null]>
    return { child, output: () => output, status: async () => (await closed)[0] }
  }

  it('tells a script what happens', async () => {
    const run = flatproxy('--once', '--json', '--interval', '500ms')
    assert.equal(await run.status(), 0)
    const report = JSON.parse(run.output()) as TopReport
    assert.ok(report.received.packets > 10, JSON.stringify(report))
    assert.equal(report.refused[0]!.reason, 'no_route')
    assert.equal(report.top[0]!.from, '10.0.0.10:4000')
    assert.ok(report.top[0]!.rate.bits > 10_000)
  })

  it('prints a table for each interval where there is no terminal, until Ctrl-C', async () => {
    const run = flatproxy('--interval', '200ms')
    const tables = () => run.output().split(/bit\/s, /).length - 1
    for (let tries = 0; tries < 500 && tables() < 2; tries++) await new Promise((done) => setTimeout(done, 10))
    run.child.kill('SIGINT')
    assert.equal(await run.status(), 0)
    assert.ok(tables() >= 2)
    assert.match(run.output(), /^REFUSED +PACKETS\/S +BITS\/S\nno_route /m)
    assert.match(run.output(), /^udp +10\.0\.0\.10:4000 +10\.96\.0\.10:80 +web 10\.0\.1\.11:1 /m)
    assert.doesNotMatch(run.output(), /\x1b/) // eslint-disable-line no-control-regex
  })

  const hasScript = spawnSync('script', ['--version']).status === 0
  it('redraws a terminal, and gives it back at q', { skip: !hasScript && 'script(1) is not installed' }, async () => {
    const command = `stty rows 24 cols 100; ${process.execPath} ${main} top --control ${control} --interval 200ms`
    const child = spawn('script', ['-qec', command, '/dev/null'], { env: { ...process.env, TERM: 'xterm' } })
    let output = ''
    child.stdout.on('data', (part: Buffer) => (output += part.toString()))
    const closed = once(child, 'close') as Promise<[number | null]>
    const draws = () => output.split('\x1b[H').length - 1
    for (let tries = 0; tries < 500 && draws() < 2; tries++) await new Promise((done) => setTimeout(done, 10))
    child.stdin.write('q')
    assert.equal((await closed)[0], 0)
    assert.ok(draws() >= 2)
    assert.ok(output.startsWith('\x1b[?1049h\x1b[?25l'))
    assert.ok(output.endsWith('\x1b[?25h\x1b[?1049l'))
  })
})
