import { FlatProxyError } from '../errors.js'
import { allCases, caseOf, fullCases, quickCases, type Case } from './cases.js'
import { engineCases } from './engine.js'
import { peerNames, peerOf, quickPeers, whereNeeded } from './peers/index.js'
import type { Report } from './report.js'
import type { Plan, Progress } from './run/session.js'
import { cacheFolder } from './town/files.js'

/** What to measure, and how long. */
export interface BenchOptions {
  /** Names of cases of the engine (`engine/NAME`) and of the side-by-side runs; default: all of the latter, or three with `quick`. */
  cases?: readonly string[] | undefined
  /**
   * Names of peers; `NAME@2` is a peer once more. Default: all of them, the floors only where flatproxy carries the case.
   */
  peers?: readonly string[] | undefined
  /** Rounds, in which the peers alternate, 1 to 100; default 5, with `quick` 3. */
  rounds?: number | undefined
  /** Seconds of a measurement at saturation and of one at the open-loop load, 1 to 60; default 1 and 2, with `quick` 1 and 0.5. */
  seconds?: number | undefined
  /** For a look: three minutes for the default cases. */
  quick?: boolean | undefined
  /** Also measure at an open-loop load; default true. */
  load?: boolean | undefined
  /** A run to compare with: its open-loop loads are taken over. */
  against?: Report | undefined
  /** Ends the run, leaving nothing behind; it rejects with the signal's reason. */
  signal?: AbortSignal | undefined
  onProgress?: ((progress: Progress) => void) | undefined
}

const settings = {
  full: { rounds: 5, seconds: 1, loadSeconds: 2, together: 1, connections: 4000, budget: Infinity },
  quick: { rounds: 3, seconds: 1, loadSeconds: 0.5, together: 3, connections: 2000, budget: 170 },
}

/** Names as a user gives them, checked. */
export function chooseWork(options: BenchOptions): { engine: string[]; plan: Plan } {
  const { quick = false, load = true, against, signal, onProgress } = options
  const preset = settings[quick ? 'quick' : 'full']
  const names = options.cases ?? (quick ? quickCases : fullCases)
  const engine = names.map(engineCase).filter((name) => name !== undefined)
  const cases = names.filter((name) => engineCase(name) === undefined).map(known)
  const peers = options.peers?.map(peerOf) ?? (quick ? quickPeers.map(peerOf) : peerNames.map(peerOf).map(whereNeeded))
  if (new Set(peers.map(({ name }) => name)).size !== peers.length)
    throw new FlatProxyError('ERR_FLATPROXY_ARGUMENT', 'a peer is named twice: NAME@2 is the same once more')
  const plan: Plan = {
    cases,
    peers,
    rounds: wholeIn('rounds', options.rounds ?? preset.rounds, 100),
    seconds: wholeIn('seconds', options.seconds ?? preset.seconds, 60),
    loadSeconds: load ? (options.seconds ?? preset.loadSeconds) : 0,
    together: preset.together,
    connections: preset.connections,
    budget: preset.budget,
    cache: cacheFolder(),
    slow: readSlow(process.env['FLATPROXY_BENCH_SLOW']),
    loads: new Map(Object.entries(against?.loads ?? {})),
    signal,
    onProgress,
  }
  return { engine, plan }
}

/** The engine's case of a name: `engine/tcp-small` where a side-by-side case has the same one, `forward` elsewhere. */
function engineCase(name: string): string | undefined {
  const bare = name.replace(/^engine\//, '')
  if (!engineCases.includes(bare)) return undefined
  return bare !== name || !allCases.some((each) => each.name === name) ? bare : undefined
}

function known(name: string): Case {
  try {
    return caseOf(name)
  } catch (error) {
    const message = `${(error as Error).message.replace(/\)$/, '')}; of the engine: ${engineCases.join(', ')})`
    throw new FlatProxyError('ERR_FLATPROXY_ARGUMENT', message)
  }
}

function wholeIn(name: string, value: number, most: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= most) return value
  throw new FlatProxyError('ERR_FLATPROXY_ARGUMENT', `${name} is a whole number from 1 to ${most}, not ${value}`)
}

/** `PEER:PERCENT`, to check the instrument: that peer is made slower by so much. */
function readSlow(text: string | undefined): Plan['slow'] {
  if (!text) return undefined
  const [, peer, percent] = /^(\S+):(\d+(?:\.\d+)?)$/.exec(text) ?? []
  if (peer === undefined)
    throw new FlatProxyError('ERR_FLATPROXY_ARGUMENT', `FLATPROXY_BENCH_SLOW is PEER:PERCENT, not '${text}'`)
  return { peer: peerOf(peer).name, percent: Number(percent) }
}

/** The same outcome; an abort wins over the error that it led to. */
export async function abortable<T>(outcome: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  try {
    return await outcome
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  }
}
