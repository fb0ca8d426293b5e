// What a proxy costs that has nothing to do, with several kinds of ports, and after one of them is lost.
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Mesh } from '#lib/index.js'
import { cannotRun, closeTown, ip, names, openTown, startProxy, stop } from './town.js'

const seconds = 2

/** Seconds of CPU that a process has used, all its threads: to the nanosecond, where `stat` samples 10 ms at a time. */
function cpuSeconds(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`)
  const times = threads.map((id) => Number(readFileSync(`/proc/${pid}/task/${id}/schedstat`, 'utf8').split(' ')[0]))
  return times.reduce((sum, time) => sum + time, 0) / 1e9
}

/** Its share of one core: the median of three times, as V8 collects once what the start has left. */
async function share(proxy: ChildProcess): Promise<number> {
  const shares: number[] = []
  while (shares.length < 3) {
    const [cpu, start] = [cpuSeconds(proxy.pid!), performance.now()]
    await sleep(seconds * 1000)
    shares.push(((cpuSeconds(proxy.pid!) - cpu) / (performance.now() - start)) * 1000)
  }
  return shares.sort((a, b) => a - b)[1]!
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
    proxy = await startProxy(mesh)
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

  it('uses no more when interfaces go down or away', async (t) => {
    ip('-n', names.node, 'link set veth-packet down')
    ip('-n', names.client, 'link del eth9')
    await sleep(500)
    const used = await share(proxy)
    t.diagnostic(`${(used * 100).toFixed(2)} % of a core`)
    assert.ok(used < 0.01, `${used} of a core`)
  })
})
