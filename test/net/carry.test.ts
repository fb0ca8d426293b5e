// The kernel's own TCP, UDP and ICMP, curl and iperf3, through every kind of port, by IPv4 and IPv6.
// `FLATPROXY_FULL=1`: 100,000 connections and 1 GB instead of 5,000 and 10 MB.
// timeout: 900 s
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import type { Mesh } from '#lib/index.js'
import { bodyHash } from './body.js'
import { ethdevPort, faultyTap, ifacePort, iperfPort, listeners, meshOf, services, tapPort } from './mesh.js'
import {
  ask,
  cannotRun,
  closeTown,
  families,
  hosts,
  layVeths,
  names,
  openTown,
  removeVeths,
  run,
  serverPort,
  start,
  startProxy,
  startServer,
  stop,
  switchOffloadsOff,
  urlHost,
  virtual,
  type NodeEnds,
} from './town.js'

const full = process.env.FLATPROXY_FULL === '1'
const connections = (full ? 100_000 : 5_000) / families.length
// Through 5 % of loss a gigabyte takes eleven minutes: timeouts of 200 ms are most of it.
const limit = full ? '1800' : '60'
const largest = full ? 1_000_000_000 : 10_000_000
const seldom = full ? false : 'takes 40 s: FLATPROXY_FULL=1 runs it'

/** The hash of what curl fetches in the client's namespace. */
async function fetched(address: string, port: number, bytes: number): Promise<string> {
  const url = `http://${urlHost(address)}:${port}/body/${bytes}`
  const curl = spawn('nsenter', [`--net=/run/netns/${names.client}`, 'curl', '-sf', '--max-time', limit, url])
  const hash = createHash('sha256')
  for await (const chunk of curl.stdout) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

async function bytesOfIperf(address: string, port: number, ...options: string[]): Promise<number> {
  const printed = await run('client', 'iperf3', '-J', '-p', String(port), '-c', address, ...options)
  const { end } = JSON.parse(printed) as { end: { sum_received: { bytes: number } } }
  return end.sum_received.bytes
}

async function runsIperf(address: string, port: number): Promise<void> {
  for (const options of [[], ['-R']]) assert.ok((await bytesOfIperf(address, port, '-t', '1', ...options)) > 1_000_000)
}

/** @param notListening why listeners are left out here */
function carries(notListening?: string): void {
  const skip = notListening ?? false
  for (const family of families) {
    it(`ping, ${family}`, async () => {
      const printed = await run('client', 'ping', '-c', '5', '-i', '0.02', '-W', '2', hosts.server[family])
      assert.match(printed, /5 received/)
      await run('client', 'ping', '-c', '2', '-i', '0.02', '-W', '2', '-s', '4000', hosts.server[family])
    })
    it(`a large body is whole, ${family}`, async () => {
      assert.equal(await fetched(virtual[family], services.web, largest), bodyHash(largest))
    })
    it(`UDP is echoed, ${family}`, async () => {
      assert.deepEqual(await ask('udp', virtual[family], services.echo, 100), { answered: 100, failures: [] })
    })
    it(`no short connection is lost, ${family}`, async () => {
      const answers = await ask('tcp', virtual[family], services.web, connections)
      assert.deepEqual(answers, { answered: connections, failures: [] })
    })
    it(`iperf3, ${family}`, () => runsIperf(virtual[family], iperfPort))
    it(`a large body is whole through a listener, ${family}`, { skip }, async () => {
      assert.equal(await fetched(virtual[family], listeners.web, largest), bodyHash(largest))
    })
    it(`no short connection is lost through a listener, ${family}`, { skip }, async () => {
      const answers = await ask('tcp', virtual[family], listeners.web, connections)
      assert.deepEqual(answers, { answered: connections, failures: [] })
    })
    it(`iperf3 through a listener, ${family}`, { skip }, () => runsIperf(virtual[family], listeners.iperf))
  }
}

const stalls = 'the receive ring of net_af_xdp on veth stalls under load (docs/ports.md)'
const kinds: readonly { name: string; veths?: NodeEnds; mesh: Mesh; notListening?: string }[] = [
  { name: 'iface ports that take all', veths: 'addressed', mesh: meshOf(ifacePort('all')) },
  { name: 'iface ports that take what is matched', veths: 'addressed', mesh: meshOf(ifacePort('matched')) },
  { name: 'tap ports', mesh: meshOf(tapPort) },
  { name: 'ethdev ports with net_af_packet', veths: 'bare', mesh: meshOf(ethdevPort('net_af_packet')) },
  {
    name: 'ethdev ports with net_af_xdp',
    veths: 'bare',
    mesh: meshOf(ethdevPort('net_af_xdp')),
    notListening: stalls,
  },
]

describe('through', { skip: cannotRun }, () => {
  before(async () => {
    openTown()
    await startServer(serverPort)
    void start('server', 'iperf3', '-s', '-p', String(iperfPort)).catch(() => {})
  })
  after(closeTown)

  for (const { name, veths, mesh, notListening } of kinds)
    describe(name, () => {
      let proxy: ChildProcess
      before(async () => {
        if (veths) layVeths(veths)
        if (veths === 'bare') switchOffloadsOff()
        proxy = await startProxy(mesh)
      })
      after(async () => {
        await stop(proxy)
        if (veths) removeVeths()
      })
      carries(notListening)
    })

  it('1 % of loss and 20 ms slow our TCP down no more than the kernel, both with CUBIC', { skip: seldom }, async () => {
    const proxy = await startProxy(meshOf(faultyTap({ drop: 0.01, delay: 20 })))
    const carried = { kernel: 0, listener: 0 }
    // What one stream carries in that time is a matter of when its first packet is lost.
    const options = ['-R', '-C', 'cubic', '-t', '4', '-P', '16']
    for (let round = 0; round < 5; round++) {
      carried.kernel += await bytesOfIperf(virtual.v4, iperfPort, ...options)
      carried.listener += await bytesOfIperf(virtual.v4, listeners.iperf, ...options)
    }
    await stop(proxy)
    assert.ok(carried.listener > 0.8 * carried.kernel, JSON.stringify(carried))
  })

  for (const drop of [0.01, 0.05])
    describe(`a port that loses ${drop * 100} %, reorders, duplicates and corrupts`, () => {
      let proxy: ChildProcess
      const mesh = meshOf(faultyTap({ drop, reorder: drop, duplicate: drop / 10, corrupt: drop / 10 }))
      before(async () => (proxy = await startProxy(mesh)))
      after(() => stop(proxy))
      for (const family of families)
        for (const [through, port] of [
          ['a service', services.web],
          ['a listener', listeners.web],
        ] as const)
          it(`a large body is whole through ${through}, ${family}`, async () => {
            assert.equal(await fetched(virtual[family], port, largest), bodyHash(largest))
          })
    })
})
