import { setTimeout as sleep } from 'node:timers/promises'
import { FlatProxyError } from '../../errors.js'
import { bodyBytes, workOf, type Case } from '../cases.js'
import { openLoop, saturate, type Seen, type Target } from '../measure/clients.js'
import { between, usageNow, type Used } from '../measure/cpu.js'
import type { Values } from '../metrics.js'
import type { Opened, Peer, Site } from '../peers/peer.js'
import { placeReceiveWork } from '../town/links.js'
import { run } from '../town/programs.js'
import type { Town } from '../town/town.js'

/** Waits until a target answers in the client's namespace. */
async function answers(town: Town, { address, port, tls }: Target, path: string, isUp: () => boolean): Promise<void> {
  const url = `${tls ? 'https' : 'http'}://${address}:${port}${path}`
  for (let attempt = 0; ; attempt++) {
    try {
      run(['curl', '-skf', '--max-time', '1', '-o', '/dev/null', url], town.client)
      return
    } catch (error) {
      if (attempt < 50 && isUp()) await sleep(50)
      else throw new FlatProxyError('ERR_FLATPROXY_SYSTEM', `${url} does not answer`, { cause: error })
    }
  }
}

/** Opens a peer, calls `use`, and leaves nothing of the peer. */
export async function withPeer<T>(
  peer: Peer,
  site: Omit<Site, 'undo'>,
  work: Case,
  use: (opened: Opened) => Promise<T>,
): Promise<T> {
  const undo: Site['undo'] = []
  try {
    const opened = await peer.open({ ...site, undo })
    const { program } = opened
    await answers(site.town, opened.target(work), workOf(work).path, () => program?.isUp ?? true).catch((error) => {
      throw program && !program.isUp ? program.failure() : error
    })
    return await use(opened)
  } finally {
    for (const step of undo.reverse()) await step()
  }
}

/** A client's figures with the machine's. */
export interface Measurement {
  readonly values: Values
  readonly seen: Seen
  readonly stolen: number
}

async function observed(act: () => Promise<Seen>, valuesOf: (seen: Seen, used: Used) => Values): Promise<Measurement> {
  const before = await usageNow()
  const seen = await act()
  const used = between(before, await usageNow())
  if (seen.requests === 0 || seen.failed > seen.requests / 100)
    throw new FlatProxyError('ERR_FLATPROXY_SYSTEM', `${seen.failed} requests failed, ${seen.requests} were answered`)
  return { values: valuesOf(seen, used), seen, stolen: used.stolen }
}

/** CPU time per request in us, less what the core does without us. */
const perRequest = (busy: number, { seconds }: Used, idle: number, requests: number) =>
  Math.max(0, ((busy - idle * seconds) * 1e6) / requests)

/** A case of a peer with as much load as it takes. */
export function measureSaturated(
  town: Town,
  work: Case,
  target: Target,
  { seconds, idle }: { seconds: number; idle: number },
): Promise<Measurement> {
  return observed(
    () => saturate(town, work, target, seconds),
    (seen, used) => {
      // The first of each connection have no session yet.
      if (work.base === 'resume' && seen.resumed < (seen.requests - 2 * workOf(work).connections) * 0.95)
        throw new FlatProxyError(
          'ERR_FLATPROXY_SYSTEM',
          `only ${seen.resumed} of ${seen.requests} sessions were resumed`,
        )
      const rate = seen.requests / seen.seconds
      const cpu_us = perRequest(used.proxy, used, idle, seen.requests)
      if (work.base === '10MB') return { gbps: (rate * bodyBytes * 8) / 1e9, cpu_us }
      return { rps: rate, cpu_us, ...(work.base === 'ping' && { p50_us: seen.p50, p99_us: seen.p99 }) }
    },
  )
}

/** Percentiles that so many values can tell: each needs some that lie beyond it. */
const percentiles = ({ requests, p50, p99, p999 }: Seen): Values => ({
  p50_us: p50,
  ...(requests >= 500 && { p99_us: p99 }),
  ...(requests >= 5000 && { p999_us: p999 }),
})

/** A case of a peer at an open-loop load. */
export function measureLoaded(
  town: Town,
  work: Case,
  target: Target,
  { rate, seconds, idle }: { rate: number; seconds: number; idle: number },
): Promise<Measurement> {
  return observed(
    () => openLoop(town, work, target, { rate, seconds }),
    (seen, used) => ({
      fixed_cpu_us: perRequest(used.proxy, used, idle, seen.requests),
      machine_cpu_us: perRequest(used.machine, used, 0, seen.requests),
      ...percentiles(seen),
    }),
  )
}

/** Puts the receive work where a case wants it. */
export function place(peer: Peer, opened: Opened, work: Case): void {
  placeReceiveWork(opened.devices, work.own, peer.inKernel ?? false)
}
