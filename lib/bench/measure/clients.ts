import { FlatProxyError } from '../../errors.js'
import { routeCount, workOf, type Case } from '../cases.js'
import { source } from '../town/files.js'
import { Running } from '../town/programs.js'
import { cores, type Town } from '../town/town.js'

/** Where a peer answers. */
export interface Target {
  readonly address: string
  readonly port: number
  readonly tls: boolean
}

/** What a client saw. */
export interface Seen {
  /** Answered. */
  readonly requests: number
  readonly seconds: number
  readonly p50: number
  readonly p99: number
  readonly p999: number
  /** [upper bound in us, how many], as far as the client tells. */
  readonly buckets: readonly (readonly [number, number])[]
  /** Requests without an answer, or with a wrong one. */
  readonly failed: number
  readonly resumed: number
}

const scales: Readonly<Record<string, number>> = { us: 1, ms: 1e3, s: 1e6, m: 6e7, h: 3.6e9 }

function microseconds(text: string): number {
  const [, value, unit] = /^([\d.]+)(us|ms|s|m|h)$/.exec(text)!
  return Number(value) * scales[unit!]!
}

/** Reads wrk's words: "312 requests in 3.01s, 3.05GB read", " 50%  41.00us", "Socket errors: connect 0, ...". */
export function readWrk(output: string): Seen {
  const found = /(\d+) requests in ([\d.]+\w+),/.exec(output)
  if (!found) throw new FlatProxyError('ERR_FLATPROXY_SYSTEM', `wrk says nothing that we know:\n${output}`)
  const percentile = (share: string) => microseconds(new RegExp(`^ +${share}% +(\\S+)`, 'm').exec(output)?.[1] ?? '0us')
  const errors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(output)?.slice(1) ?? []
  const wrong = /Non-2xx or 3xx responses: (\d+)/.exec(output)?.[1] ?? '0'
  return {
    requests: Number(found[1]),
    seconds: microseconds(found[2]!) / 1e6,
    p50: percentile('50'),
    p99: percentile('99'),
    p999: NaN,
    buckets: [],
    failed: [...errors, wrong].reduce((sum, count) => sum + Number(count), 0),
    resumed: 0,
  }
}

/** Reads what bench/client/loadgen.c prints. */
export function readLoadgen(output: string): Seen {
  const said = JSON.parse(output) as Record<string, number> & { buckets: [number, number][] }
  return {
    requests: said['requests']!,
    seconds: said['seconds']!,
    p50: said['p50_us']!,
    p99: said['p99_us']!,
    p999: said['p999_us']!,
    buckets: said.buckets,
    failed: said['failed']! + said['unanswered']!,
    resumed: said['resumed']!,
  }
}

async function wrk(town: Town, work: Case, { address, port, tls }: Target, seconds: number): Promise<Seen> {
  const { path, connections, close } = workOf(work)
  const url = `${tls ? 'https' : 'http'}://${address}:${port}${path}`
  const script = work.base === 'routes-1k' ? ['-s', source('client/routes.lua')] : []
  const options = [`-c${connections}`, '-t1', `-d${seconds}s`, '--latency', ...script]
  const command = ['wrk', ...options, ...(close ? ['-H', 'Connection: close'] : []), url]
  const place = { netns: town.client, core: cores.peers, environment: { ROUTES: String(routeCount) } }
  return readWrk(await new Running(command, place).output())
}

/** Runs our own client; its place is the same as wrk's. */
export function loadgen(town: Town, work: Case, mode: string, target: Target, options: readonly string[]): Running {
  const flags = [...(target.tls ? ['--tls'] : []), ...(work.base === 'resume' ? ['--resume'] : [])]
  const { path, close } = workOf(work)
  const words = [mode, target.address, String(target.port), path, ...flags, ...(close ? ['--close'] : []), ...options]
  return new Running([`${town.folder}/loadgen`, ...words], { netns: town.client, core: cores.peers })
}

/** As much as the peer can: wrk, or, as wrk resumes no sessions, our own client. Whole seconds. */
export async function saturate(town: Town, work: Case, target: Target, seconds: number): Promise<Seen> {
  if (work.base !== 'resume') return wrk(town, work, target, seconds)
  const options = ['--connections', String(workOf(work).connections), '--seconds', String(seconds)]
  return readLoadgen(await loadgen(town, work, 'closed', target, options).output())
}

/** `rate` requests a second, evenly, for some seconds; latencies count from when a request was due. */
export async function openLoop(
  town: Town,
  work: Case,
  target: Target,
  { rate, seconds }: { rate: number; seconds: number },
): Promise<Seen> {
  const connections = work.base === '10MB' ? 16 : 64
  const options = ['--rate', String(rate), '--seconds', String(seconds), '--connections', String(connections)]
  return readLoadgen(await loadgen(town, work, 'open', target, options).output())
}
