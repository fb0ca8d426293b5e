// The command flatproxy as a process: arguments, output, exit codes.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, describe, it } from 'node:test'
import { exitCodes } from '#lib/cli/exit.js'
import { version } from '#lib/version.js'

const folder = mkdtempSync(join(tmpdir(), 'flatproxy-cli-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const main = join(process.cwd(), 'dist/cli/main.js')
const environment = { ...process.env, FLATPROXY_CONTROL: '' }
function flatproxy(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    encoding: 'utf8',
    env: environment,
  })
  return { status, stdout, stderr }
}

let files = 0
function meshFile(text: string): string {
  const path = join(folder, `${++files}.yaml`)
  writeFileSync(path, text)
  return path
}

const sound = `
ports:
  a: { type: memory, own: [10.0.0.1/24] }
  b: { type: memory, own: [10.0.1.1/24] }
workloads:
  shop-1: { on: b, addresses: [10.0.1.11] }
services:
  shop:
    address: 10.96.0.10
    port: 80
    endpoints: [{ workload: shop-1, port: 8080 }]
`

describe('flatproxy', () => {
  it('teaches with --help, of all and of each command', () => {
    const { status, stdout } = flatproxy('--help')
    assert.equal(status, 0)
    for (const [code, meaning] of Object.values(exitCodes))
      assert.match(stdout, new RegExp(`^ +${code}  ${meaning}$`, 'm'))
    const names = [...stdout.matchAll(/^ {2}flatproxy ([a-z]+) /gm)].map(([, name]) => name!)
    assert.deepEqual([...new Set(names)].sort(), [
      'bench',
      'capture',
      'check',
      'demo',
      'diff',
      'doctor',
      'explain',
      'flows',
      'replay',
      'run',
      'stats',
      'top',
      'unblock',
    ])
    for (const name of new Set(names)) {
      const help = flatproxy(name, '--help')
      assert.equal(help.status, 0)
      assert.match(help.stdout, new RegExp(`^flatproxy ${name}`))
      assert.match(help.stdout, /Example/)
      assert.match(help.stdout, /Exit codes: 0/)
      assert.equal(flatproxy('help', name).stdout, help.stdout)
    }
  })

  it('shows a mesh in its help that is sound', () => {
    const [, mesh] = /\$ cat mesh.yaml\n([^$]*)/.exec(flatproxy('--help').stdout)!
    assert.equal(flatproxy('check', meshFile(mesh!.replaceAll(/^ {2}/gm, ''))).status, 0)
  })

  it('says in words what is different between two meshes', () => {
    const [from, to] = [meshFile(sound), meshFile(sound.replace('port: 8080', 'port: 8081'))]
    const { status, stdout } = flatproxy('diff', from, to)
    assert.equal(status, 0)
    assert.match(stdout, /^services\.shop\.endpoints\[shop-1:8080\] removed$/m)
    assert.match(stdout, /^services\.shop\.endpoints\[shop-1:8081\] added$/m)
    assert.equal(flatproxy('diff', from, from).stdout, 'no difference\n')
    const lines = flatproxy('diff', from, to, '--json').stdout.trim().split('\n')
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as { kind: string }).kind),
      ['removed', 'added'],
    )
    assert.equal(flatproxy('diff', from, '/no/such/mesh.yaml').status, 3)
  })

  it('tells its version', () => assert.equal(flatproxy('--version').stdout, `flatproxy ${version}\n`))

  it('refuses wrong arguments with 2, and says where help is', () => {
    for (const args of [
      [],
      ['nope'],
      ['check'],
      ['check', 'a', 'b'],
      ['diff', 'a'],
      ['replay', 'mesh.yaml'],
      ['replay', 'mesh.yaml', '--in', 'nothing'],
      ['stats', '--nope'],
      ['flows', '--limit', 'x'],
      ['flows', '--tier', 'x'],
      ['capture', '--verdict', 'x'],
      ['capture', '--snap-length', '0'],
      ['top', '--interval', 'often'],
      ['top', '--interval', '10ms'],
      ['run', 'mesh.yaml', '--lanes', 'many'],
      ['run', 'mesh.yaml', '--poll', 'lazy'],
      ['run', 'mesh.yaml', '--drain', 'soon'],
      ['run', 'mesh.yaml', '--admin', '9090'],
      ['stats', '--json', '--openmetrics'],
      ['demo', '--port', 'ethdev'],
    ]) {
      const { status, stdout, stderr } = flatproxy(...args)
      assert.deepEqual([status, stdout], [2, ''], args.join(' '))
      assert.match(stderr, /^error: .*\nSee flatproxy /)
    }
  })

  it('checks a mesh: every problem with file, line and column, what was expected, and a hint', () => {
    assert.match(
      flatproxy('check', meshFile(sound)).stdout,
      /^ok .*: 2 ports, 1 workload, 1 service with 1 endpoint\n$/,
    )
    const bad = meshFile(sound.replace('workload: shop-1', 'workload: shpo-1').replace('10.0.0.1/24', '10.0.0.300'))
    const { status, stderr } = flatproxy('check', bad)
    assert.equal(status, 3)
    assert.match(stderr, new RegExp(`^${bad}:3:28: ports.a.own.0: .*; expected `, 'm'))
    assert.match(stderr, new RegExp(`^${bad}:11:\\d+: services.shop.endpoints.0.workload: .*shpo-1`, 'm'))
    assert.match(stderr, /^ {2}hint: .*shop-1/m)
  })

  it('says what is not supported yet', () => {
    const { status, stderr } = flatproxy('check', meshFile(`${sound}policyDefault: deny\nflows: { track: services }\n`))
    assert.equal(status, 3)
    assert.match(stderr, /flows.track: 'services' beside policies is not supported yet/)
  })

  it('refuses a file that is not there with 3', () => assert.equal(flatproxy('check', join(folder, 'none')).status, 3))

  it('says with 5 that no proxy answers, and what to do', () => {
    const { status, stderr } = flatproxy('stats', '--control', join(folder, 'none.sock'))
    assert.equal(status, 5)
    assert.match(stderr, /no control socket.*\n {2}remedy: /)
    assert.equal(flatproxy('flows', '--control', join(folder, 'none.sock')).status, 5)
  })

  it('tells what doctor() finds', () => {
    const { status, stdout } = flatproxy('doctor')
    assert.equal(status, 0, stdout)
    assert.match(stdout, /flatproxy can run here\.\n$/)
    const { checks } = JSON.parse(flatproxy('doctor', '--json').stdout) as { checks: { name: string }[] }
    assert.ok(checks.some(({ name }) => name === 'CAP_NET_ADMIN'))
  })
})

describe('flatproxy run', () => {
  async function run(file: string, ...args: string[]) {
    const control = join(folder, `${++files}.sock`)
    const child = spawn(process.execPath, [main, 'run', file, '--control', control, ...args], { env: environment })
    let said = ''
    for (const stream of [child.stdout, child.stderr])
      createInterface(stream).on('line', (line) => (said += `${line}\n`))
    const closed = once(child, 'close') as Promise<[number | null]>
    const heard = async (pattern: RegExp) => {
      for (let tries = 0; tries < 1_000 && !pattern.test(said); tries++)
        await new Promise((done) => setTimeout(done, 10))
      assert.match(said, pattern)
      return pattern.exec(said)
    }
    const end = async (signal: NodeJS.Signals) => (child.kill(signal), (await closed)[0])
    await heard(/./)
    return { control, heard, end, closed, child }
  }

  it('runs until SIGTERM, and shows itself by its control socket meanwhile', async () => {
    const proxy = await run(meshFile(sound))
    await proxy.heard(/^running .*: 2 ports/)
    const stats = JSON.parse(flatproxy('stats', '--control', proxy.control, '--json').stdout) as { generation: number }
    assert.equal(stats.generation, 1)
    assert.match(flatproxy('stats', '--control', proxy.control).stdout, /SERVICE .*\nshop /)
    assert.match(
      flatproxy('stats', '--control', proxy.control, '--openmetrics').stdout,
      /flatproxy_generation 1\n[^]*# EOF\n$/,
    )
    assert.match(flatproxy('flows', '--control', proxy.control).stdout, /^0 flows\n$/)
    assert.equal(await proxy.end('SIGTERM'), 0)
    assert.equal(flatproxy('stats', '--control', proxy.control).status, 5)
  })

  it('applies its file again at SIGHUP, and goes on with the old mesh when the new one is bad', async () => {
    const file = meshFile(sound)
    const proxy = await run(file)
    await proxy.heard(/^running /)
    writeFileSync(file, sound.replace('port: 8080 }', 'port: 8080, weight: 5 }'))
    proxy.child.kill('SIGHUP')
    await proxy.heard(/^applied .* as generation 2: *\n.*services\.shop\.endpoints.*weight/m)
    writeFileSync(file, sound.replace('on: b', 'on: nowhere'))
    proxy.child.kill('SIGHUP')
    await proxy.heard(/:6:\d+: workloads\.shop-1\.on: .*nowhere/)
    await proxy.heard(/is not applied; generation 2 goes on/)
    assert.equal(await proxy.end('SIGINT'), 0)
  })

  it('opens its access log anew at SIGUSR2, and says so when it cannot', async () => {
    const log = join(folder, 'logs', 'access.log')
    mkdirSync(join(folder, 'logs'))
    const proxy = await run(meshFile(`${sound}accessLog: { file: ${JSON.stringify(log)} }\n`))
    await proxy.heard(/^running /)
    assert.ok(existsSync(log))
    renameSync(log, `${log}.1`)
    proxy.child.kill('SIGUSR2')
    for (let tries = 0; tries < 500 && !existsSync(log); tries++) await new Promise((done) => setTimeout(done, 10))
    assert.ok(existsSync(log))
    renameSync(join(folder, 'logs'), join(folder, 'gone'))
    proxy.child.kill('SIGUSR2')
    await proxy.heard(/access log .* cannot be opened/)
    assert.equal(await proxy.end('SIGTERM'), 0)
  })

  it('tells Prometheus and probes of itself until it has drained', async () => {
    const proxy = await run(meshFile(sound), '--admin', ':0', '--drain', '20s')
    const [, at] = (await proxy.heard(/^running .*; admin (http:\/\/127\.0\.0\.1:\d+); process \d+$/m))!
    const asked = async (path: string) => {
      const response = await fetch(`${at}${path}`)
      return `${response.status} ${await response.text()}`
    }
    assert.equal(await asked('/ready'), '200 ready\n')
    assert.match(await asked('/metrics'), /^200 [^]*\nflatproxy_generation 1\n[^]*# EOF\n$/)
    proxy.child.kill('SIGTERM')
    await proxy.heard(/^SIGTERM: /m)
    const said = await asked('/ready').catch(() => 'closed')
    assert.match(said, /^503 draining: new flows are refused\n$|^closed$/)
    assert.equal((await proxy.closed)[0], 0) // there is nothing to drain
    await assert.rejects(fetch(`${at}/ready`))
  })

  it('does not start with a bad mesh (3), a missing interface, a taken control socket or admin address (4)', async () => {
    assert.equal(flatproxy('run', meshFile('ports: 5'), '--no-control').status, 3)
    const missing = flatproxy('run', meshFile('ports: { a: { type: iface, interface: nowhere0 } }'), '--no-control')
    assert.equal(missing.status, 4, missing.stderr)
    assert.match(missing.stderr, /nowhere0/)
    const proxy = await run(meshFile(sound), '--admin', '127.0.0.1:0')
    await proxy.heard(/^running /)
    const second = flatproxy('run', meshFile(sound), '--control', proxy.control)
    assert.equal(second.status, 4)
    assert.match(second.stderr, /another process listens/)
    const [, taken] = (await proxy.heard(/ admin http:\/\/(\S+);/))!
    const third = flatproxy('run', meshFile(sound), '--no-control', '--admin', taken!)
    assert.equal(third.status, 4)
    assert.match(third.stderr, /^error: cannot listen on 127\.0\.0\.1:\d+ for --admin: .*EADDRINUSE.*\n {2}remedy: /)
    assert.equal(await proxy.end('SIGTERM'), 0)
  })
})

describe('flatproxy unblock', () => {
  it('tells of an interface that is not blocked', { skip: process.geteuid?.() !== 0 && 'needs root' }, () => {
    const { status, stdout } = flatproxy('unblock', 'lo')
    assert.deepEqual([status, stdout], [0, 'lo was not blocked\n'])
  })
})
