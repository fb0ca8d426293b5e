// What a proxy costs that has nothing to do, with several kinds of ports, and after one of them is lost; and how long
// the first packet takes that comes after such a time.
import assert from 'node:assert/strict'
import { execFileSync, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Mesh } from '#lib/index.js'
import { cannotRun, closeTown, ip, names, openTown, run, startProxy, stop, type Name } from './town.js'

const seconds = 3
const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK']))

/** Seconds of CPU that a process has used, all its threads. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

/** Its share of one core over some seconds. */
async function share(proxy: ChildProcess): Promise<number> {
  const [cpu, start] = [cpuSeconds(proxy.pid!), performance.now()]
  await sleep(seconds * 1000)
  return ((cpuSeconds(proxy.pid!) - cpu) / (performance.now() - start)) * 1000
}

/** Round trips in microseconds, shortest first: each begins when the lane has slept for a while. */
async function roundTrips(from: Name, address: string): Promise<number[]> {
  const printed = await run(from, 'ping', '-c', '200', '-i', '0.01', address)
  return [...printed.matchAll(/time=([\d.]+) ms/g)].map(([, ms]) => Number(ms) * 1000).sort((a, b) => a - b)
}

const mesh: Mesh = {
  ports: {
    all: { type: 'iface', interface: 'veth-all' },
    matched: { type: 'iface', interface: 'veth-matched', take: 'matched', own: ['10.89.2.1/24'] },
    tap: { type: 'tap', name: 'eth9', netns: names.client, own: ['10.89.3.1/24'] },
    packet: { type: 'ethdev', devargs: 'net_af_packet_idle,iface=veth-packet', own: ['10.89.4.1/24'] },
    memory: { type: 'memory', own: ['10.89.5.1/24'] },
  },
}

describe('an idle proxy', { skip: cannotRun }, () => {
  let proxy: ChildProcess
  before(async () => {
    openTown()
    for (const kind of ['all', 'matched', 'packet']) {
      ip('-n', names.node, `link add veth-${kind} type veth peer name peer-${kind}`)
      for (const end of ['veth', 'peer']) ip('-n', names.node, `link set ${end}-${kind} up`)
    }
    ip('-n', names.node, 'addr add 10.89.1.1/24 dev veth-all')
    ip('-n', names.node, `link set peer-all netns ${names.client} up`)
    ip('-n', names.client, 'addr add 10.89.1.2/24 dev peer-all')
    ip('-n', names.node, 'addr add 10.89.4.2/24 dev peer-packet')
    proxy = await startProxy(mesh)
    ip('-n', names.client, 'addr add 10.89.3.2/24 dev eth9')
    await sleep(2000) // what starts it, and what the kernel says on new interfaces
  })
  after(async () => {
    await stop(proxy)
    closeTown()
  })

  it('uses less than 1 % of a core', async (t) => {
    const used = await share(proxy)
    t.diagnostic(`${(used * 100).toFixed(2)} % of a core`)
    assert.ok(used < 0.01, `${used} of a core`)
  })

  // The lane answers for its own addresses, and brings to the node what is for one of the node's: a round trip is one or
  // two packets forwarded, and the kernel's part on top of it.
  for (const [kind, from, address] of [
    ['iface', 'client', '10.89.1.1'],
    ['tap', 'client', '10.89.3.1'],
    ['ethdev', 'node', '10.89.4.1'],
  ] as const)
    it(`has an answer to the first packet within 200 us, by ${kind}`, async (t) => {
      // What else this machine does in a batch is not the lane's: the quietest one tells.
      let best = Infinity
      for (let batch = 0; batch < 4 && best > 200; batch++) {
        const times = await roundTrips(from, address)
        assert.equal(times.length, 200, 'no answer is lost')
        const [median, p99] = [times[99]!, times[197]!]
        t.diagnostic(`median ${median} us, p99 ${p99} us`)
        best = Math.min(best, p99)
      }
      assert.ok(best <= 200, `p99 ${best} us`)
    })

  it('uses no more when interfaces go down or away', async (t) => {
    ip('-n', names.node, 'link set veth-packet down')
    ip('-n', names.client, 'link del eth9')
    await sleep(500)
    const used = await share(proxy)
    t.diagnostic(`${(used * 100).toFixed(2)} % of a core`)
    assert.ok(used < 0.01, `${used} of a core`)
  })
})
