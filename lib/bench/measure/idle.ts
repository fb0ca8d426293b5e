import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { FlatProxyError } from '../../errors.js'
import type { Case } from '../cases.js'
import type { Values } from '../metrics.js'
import type { Opened } from '../peers/peer.js'
import type { Town } from '../town/town.js'
import { loadgen, type Target } from './clients.js'

/** What memory holds at a moment, in bytes. */
interface Memory {
  readonly process: number
  readonly slab: number
}

const kilobytes = (path: string, field: string) =>
  Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(path, 'utf8'))?.[1] ?? 0) * 1024

const memoryOf = (pid: number | undefined): Memory => ({
  process: pid === undefined ? 0 : kilobytes(`/proc/${pid}/status`, 'VmRSS'),
  slab: kilobytes('/proc/meminfo', 'Slab'),
})

/** Holds connections, each after one request; returns what they added, for one of them, and what was there before. */
async function hold(town: Town, work: Case, target: Target, pid: number | undefined, connections: number) {
  const rest = memoryOf(pid)
  const client = loadgen(town, work, 'hold', target, ['--connections', String(connections)])
  try {
    const said = await client.ready()
    if (said !== `holding ${connections}`)
      throw new FlatProxyError('ERR_FLATPROXY_SYSTEM', `${connections} connections were wanted: ${said}`)
    await sleep(500)
    const held = memoryOf(pid)
    return {
      rest,
      process: (held.process - rest.process) / connections,
      slab: (held.slab - rest.slab) / connections,
    }
  } finally {
    await client.finish()
  }
}

/** What client's and server's sockets of one connection take in the kernel, with no proxy between; bytes. */
export async function socketPair(town: Town, target: Target, work: Case, connections: number): Promise<number> {
  return Math.max(0, (await hold(town, work, target, undefined, connections)).slab)
}

/**
 * Memory at rest (the process), and for each idle connection (the process, and the kernel's slab less the sockets that
 * are not the peer's: of a connection that it terminates the client's one, of one that it passes on both ends').
 */
export async function measureIdle(
  town: Town,
  work: Case,
  { target, program }: Opened,
  { connections, pair, passedOn }: { connections: number; pair: number; passedOn: boolean },
): Promise<Values> {
  const held = await hold(town, work, target(work), program?.pid, connections)
  const bytes = held.process + held.slab - (passedOn ? pair : pair / 2)
  return { bytes: Math.max(0, bytes), ...(program && { rest_bytes: held.rest.process }) }
}
