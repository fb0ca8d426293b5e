import { readFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { cores } from '../town/town.js'

/** What the cores have done until a moment, in seconds. */
export interface Usage {
  readonly at: number
  /** Time that the proxy's core was not idle; time that the hypervisor took is not counted. */
  readonly proxy: number
  /** The same of both cores. */
  readonly machine: number
  /** Time that the hypervisor took from both. */
  readonly stolen: number
}

const ticksPerSecond = 100

function idleTicks(core: number, text: string): { idle: number; steal: number } {
  const fields = new RegExp(`^cpu${core} (.*)$`, 'm').exec(text)![1]!.split(' ').map(Number)
  return { idle: fields[3]! + fields[4]!, steal: fields[7] ?? 0 }
}

function readUsage(): Usage & { readonly idleTicks: number } {
  const text = readFileSync('/proc/stat', 'utf8')
  const at = performance.now() / 1000
  const [proxy, peers] = [idleTicks(cores.proxy, text), idleTicks(cores.peers, text)]
  const busy = ({ idle, steal }: { idle: number; steal: number }) => at - (idle + steal) / ticksPerSecond
  return {
    at,
    proxy: busy(proxy),
    machine: busy(proxy) + busy(peers),
    stolen: (proxy.steal + peers.steal) / ticksPerSecond,
    idleTicks: proxy.idle,
  }
}

/** Steps of the idle counter come every 10 ms on an idle core; on one that never idles they do not come. */
const patience = 15

/**
 * The usage now. The kernel keeps idle time to the nanosecond and tells it in steps of 10 ms: before and after a load,
 * when the proxy's core is idle, we wait for a step, and so have it to a millisecond.
 */
export async function usageNow(): Promise<Usage> {
  const first = readUsage()
  for (;;) {
    await sleep(1)
    const next = readUsage()
    if (next.idleTicks !== first.idleTicks || (next.at - first.at) * 1000 > patience) return next
  }
}

/** What happened between two moments. */
export interface Used {
  readonly seconds: number
  readonly proxy: number
  readonly machine: number
  /** As a share of both cores' time. */
  readonly stolen: number
}

export function between(before: Usage, after: Usage): Used {
  const seconds = after.at - before.at
  return {
    seconds,
    proxy: after.proxy - before.proxy,
    machine: after.machine - before.machine,
    stolen: (after.stolen - before.stolen) / (2 * seconds),
  }
}

/** A proxy's core that does more than this, as a share, with nothing to do for us is not quiet. */
export const quiet = 0.05

/** What the proxy's core does, as a share, with nothing to do for us: the least of some seconds, until it is quiet. */
export async function idleShare(): Promise<number> {
  let least = 1
  for (let second = 0; second < 10 && least > quiet; second++) {
    const before = await usageNow()
    await sleep(1_000)
    const used = between(before, await usageNow())
    least = Math.min(least, Math.max(0, used.proxy / used.seconds))
  }
  return least
}
