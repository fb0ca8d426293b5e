// The command `flatproxy capture` beside real traffic: what kernels send, by taps and veths, through services and
// listeners. tcpdump reads it too, where it is installed.
// timeout: 300 s
import assert from 'node:assert/strict'
import { spawnSync, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { replay, type Mesh } from '#lib/index.js'
import { readPcapng, type Captured, type PcapngFile } from '../support/pcapng.js'
import { ifacePort, listeners, meshOf, services, tapPort } from './mesh.js'
import * as town from './town.js'
import { hosts, serverPort, virtual } from './town.js'

const main = join(process.cwd(), 'dist/cli/main.js')
const closedPort = 9999
const hasTcpdump = spawnSync('tcpdump', ['--version']).status === 0

const withPolicy = (mesh: Mesh): Mesh => ({
  ...mesh,
  policies: [
    { name: 'no-9999', to: { workload: 'server' }, ports: [{ protocol: 'udp', port: closedPort }], action: 'deny' },
  ],
})
const kinds = [
  { name: 'tap ports', mesh: withPolicy(meshOf(tapPort)), veths: false },
  { name: 'iface ports', mesh: withPolicy(meshOf(ifacePort('all'))), veths: true },
]

describe('flatproxy capture', { skip: town.cannotRun }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'flatproxy-capture-'))
  const control = join(folder, 'control')
  before(async () => {
    town.openTown()
    await town.startServer(serverPort)
  })
  after(() => {
    town.closeTown()
    rmSync(folder, { recursive: true })
  })

  /** What is captured while something is done, until there is as much as is waited for. */
  async function captured(
    name: string,
    options: string[],
    act: () => Promise<unknown>,
    enough: (_: PcapngFile) => boolean,
  ) {
    const path = join(folder, name)
    rmSync(path, { force: true })
    const child = town.begin('node', process.execPath, main, 'capture', '--control', control, '-o', path, ...options)
    const read = () => readPcapng(readFileSync(path), true)
    await until(() => existsSync(path) && statSync(path).size > 0)
    await act()
    await until(() => enough(read()))
    await town.stop(child, 'SIGINT')
    assert.equal(child.exitCode, 0)
    return { path, file: readPcapng(readFileSync(path)) }
  }

  for (const { name, mesh, veths } of kinds)
    describe(name, () => {
      let proxy: ChildProcess
      before(async () => {
        if (veths) town.layVeths()
        const file = join(folder, 'mesh.json')
        writeFileSync(file, JSON.stringify(mesh))
        proxy = await town.start('node', process.execPath, main, 'run', file, '--control', control)
        // Both neighbours are known from here on: of what waits for one, but little is kept.
        await town.ask('udp', virtual.v4, services.echo, 1)
        await town.ask('tcp', virtual.v6, listeners.web, 1)
      })
      after(async () => {
        await town.stop(proxy)
        if (veths) town.removeVeths()
      })

      it('has the datagrams of a service, both ways, whole; a replay takes it', async () => {
        const ask = () => town.ask('udp', virtual.v4, services.echo, 20)
        const { path, file } = await captured('udp', ['--filter', 'udp'], ask, ({ packets }) => packets.length >= 40)
        const there = file.packets.filter(({ on }) => on === 'client')
        const back = file.packets.filter(({ on }) => on === 'server')
        assert.deepEqual([there.length, back.length], [20, 20])
        for (const { comment } of there) assert.equal(comment, 'forwarded: service_forwarded, exit server')
        for (const { comment } of back) assert.equal(comment, 'forwarded: service_forwarded, exit client')
        for (const packet of file.packets) assertChecksum(packet)
        if (hasTcpdump) {
          const { stdout, status } = spawnSync('tcpdump', ['-nr', path, 'udp', 'dst', 'port', '7'], {
            encoding: 'utf8',
          })
          assert.equal(status, 0)
          assert.equal(stdout.trim().split('\n').length, 20)
        }
        const replayed = await replay({ mesh: meshOf(tapPort), inputs: { client: path } })
        assert.equal(replayed.packets, 40)
      })

      it('says of connections of a listener that they end here, and has what is sent in answer', async () => {
        const ask = () => town.ask('tcp', virtual.v6, listeners.web, 3)
        const filter = ['--filter', `tcp port ${listeners.web}`]
        const { file } = await captured('tcp', filter, ask, ({ packets }) => packets.length >= 18)
        const [came, went] = [true, false].map((inbound) => file.packets.filter(({ outbound }) => outbound !== inbound))
        assert.ok(came!.length >= 9 && went!.length >= 6)
        for (const { comment } of came!) assert.equal(comment, 'terminated: tcp_terminated')
        for (const { comment, on } of went!) assert.deepEqual([comment, on], ['originated, exit client', 'client'])
        for (const packet of file.packets) assertChecksum(packet)
      })

      it('tells what a policy drops', async () => {
        const ask = () => town.ask('udp', hosts.server.v4, closedPort, 1).catch(() => undefined)
        const drops = ['--verdict', 'drop', '--filter', `udp port ${closedPort}`]
        const { file } = await captured('drop', drops, ask, ({ packets }) => packets.length >= 1)
        for (const { comment } of file.packets) assert.equal(comment, 'dropped: policy_denied by policy no-9999')
      })
    })
})

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 2_000 && !condition(); tries++) await sleep(10)
  assert.ok(condition())
}

/** The L4 checksum is right, whoever was to fill it in. */
function assertChecksum({ bytes }: Captured): void {
  const v4 = bytes.readUInt16BE(12) === 0x0800
  const protocol = v4 ? bytes[23]! : bytes[20]!
  const end = 14 + (v4 ? bytes.readUInt16BE(16) : 40 + bytes.readUInt16BE(18))
  const segment = bytes.subarray(v4 ? 34 : 54, end)
  const addresses = bytes.subarray(v4 ? 26 : 22, v4 ? 34 : 54)
  let sum = protocol + segment.length
  for (const part of [addresses, segment])
    for (let at = 0; at < part.length; at += 2) sum += (part[at]! << 8) + (part[at + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  assert.equal(sum, 0xffff)
}
