import { execFileSync } from 'node:child_process'
import { cpus } from 'node:os'
import { performance } from 'node:perf_hooks'
import { FlatProxyError } from '../../errors.js'
import type { Case } from '../cases.js'
import { describeCommit, describeMachine } from '../machine.js'
import { idleShare, quiet } from '../measure/cpu.js'
import { loadMetrics, metrics, type Metric } from '../metrics.js'
import { partsOf, type Report, type Row } from '../report.js'
import { median } from '../statistics.js'
import { requirePrograms } from '../town/files.js'
import { cores, Town } from '../town/town.js'
import { noisyCases } from './noise.js'
import { ratiosOf } from './ratios.js'
import { Session, type Absent, type Plan } from './session.js'

/** Of a noisy case more rounds are measured so many times. */
const mostRepeats = 2

/** The outcome of a run. */
export interface Outcome {
  readonly report: Report
  /** Peers that were there and did not work: unlike what is left out, an error. */
  readonly failures: ReadonlyMap<string, string>
}

function requirePrivileges(): void {
  if (process.getuid?.() !== 0)
    throw new FlatProxyError(
      'ERR_FLATPROXY_PERMISSION',
      'the side-by-side benchmark makes network namespaces and loads eBPF',
      {
        remedy: 'Run it as root.',
      },
    )
}

function requireCores(): void {
  if (cpus().length < 2)
    throw new FlatProxyError('ERR_FLATPROXY_RESOURCE', 'the side-by-side benchmark needs two cores', {
      remedy: 'Run it on a machine with one core for the proxy, and one for client and server.',
    })
}

/** Keeps this process off the proxy's core while `act` runs. */
async function asideOfTheProxy<T>(act: () => Promise<T>): Promise<T> {
  const taskset = (...words: string[]) => execFileSync('taskset', [...words, String(process.pid)], { encoding: 'utf8' })
  const before = /: (\S+)$/.exec(taskset('-p').trim())![1]!
  taskset('-a', '-p', (1 << cores.peers).toString(16))
  try {
    return await act()
  } finally {
    taskset('-a', '-p', before)
  }
}

/** Measures cases side by side. Needs root; leaves nothing behind. */
export async function runSideBySide(plan: Plan, command: string): Promise<Outcome> {
  requirePrivileges()
  requireCores()
  requirePrograms()
  const lacking = new Map<string, string>()
  for (const peer of plan.peers) {
    const lack = await peer.lacks?.(plan.cache)
    if (lack !== undefined) lacking.set(peer.name, lack)
  }
  const there = { ...plan, peers: plan.peers.filter(({ name }) => !lacking.has(name)) }
  const town = new Town()
  try {
    return await asideOfTheProxy(async () => {
      await town.open()
      return await measureUntilQuiet(there, town, command, leftOut(plan, lacking))
    })
  } finally {
    await town.close()
  }
}

/** What was asked for and is not measured. */
function leftOut({ cases, peers }: Plan, lacking: ReadonlyMap<string, string>): Absent[] {
  return cases.flatMap((work) =>
    peers.flatMap((peer) => {
      const why = peer.refuses(work) ?? lacking.get(peer.name)
      return why === undefined || why === false ? [] : [{ name: `${work.name}/${peer.name}`, why }]
    }),
  )
}

async function measureUntilQuiet(plan: Plan, town: Town, command: string, absent: Absent[]): Promise<Outcome> {
  const started = performance.now()
  const names = plan.peers.map(({ name }) => name)
  const tell = (text: string) => plan.onProgress?.({ text })
  tell('waiting for a quiet core')
  const idle = await idleShare()
  // Work of others gives way to ours: to subtract it would make the CPU's figures too small by far.
  const session = new Session(plan, town, idle > quiet ? 0 : idle)
  const idleCase = plan.cases.find(({ base }) => base === 'idle')
  if (idleCase) await session.measurePair(idleCase)
  let noisy = new Map<Case, string>()
  for (let repeat = 0; repeat <= mostRepeats; repeat++) {
    const cases = repeat === 0 ? plan.cases : [...noisy.keys()]
    const begun = performance.now()
    session.stolen.length = 0
    await session.measure(cases, repeat * plan.rounds)
    noisy = noisyCases(plan.cases, names, { ...session, idle: repeat === 0 ? idle : await idleShare() })
    if (noisy.size === 0 || plan.rounds < 3 || repeat === mostRepeats) break
    const again = ((performance.now() - begun) / cases.length) * noisy.size
    const isTime = performance.now() - started + again < plan.budget * 1000
    for (const [{ name }, why] of noisy)
      tell(`noisy: ${name}: ${why}; ${isTime ? 'more rounds of it' : 'no time for more rounds'}`)
    if (!isTime) break
  }
  session.results.derive(plan.cases, names)
  return { report: reportOf(plan, session, command, absent, noisy), failures: session.failures }
}

/** A report without figures. */
export function emptyReport(command: string): Report {
  const about = { machine: describeMachine(), commit: describeCommit(), date: new Date().toISOString(), command }
  return { ...about, rows: [], absent: [], ratios: [], noise: [], latencies: {}, loads: {} }
}

function reportOf(
  plan: Plan,
  session: Session,
  command: string,
  absent: Absent[],
  noisy: ReadonlyMap<Case, string>,
): Report {
  const names = plan.peers.map(({ name }) => name)
  const failed = [...session.failures].map(([name, why]) => ({ name, why }))
  const latencies = [...session.latencies].map(
    ([name, counts]) => [name, coarse([...counts].sort(([a], [b]) => a - b))] as const,
  )
  return {
    ...emptyReport(command),
    rows: rowsOf(plan, session),
    absent: [...absent, ...failed],
    ratios: ratiosOf(plan.cases, names, session.results),
    noise: [...noisy].map(([{ name }, why]) => `${name}: ${why}`),
    latencies: Object.fromEntries(latencies),
    loads: Object.fromEntries(session.loads),
  }
}

/** A distribution in steps of 2 %: what a plot can show. Each bucket goes into the one that bounds it. */
function coarse(buckets: readonly (readonly [number, number])[]): [number, number][] {
  const steps: [number, number][] = []
  let first = 0
  for (const [bound, count] of buckets) {
    const step = steps.at(-1)
    if (step && bound < first * 1.02) [step[0], step[1]] = [bound, step[1] + count]
    else steps.push([(first = bound), count])
  }
  return steps
}

function rowsOf({ cases, peers }: Plan, { results, loads }: Session): Row[] {
  const floors = new Map(peers.map(({ name, floor }) => [name, floor]))
  const names = peers.map(({ name }) => name)
  return [...results.entries(cases, names)].map(([name, rounds]) => {
    const { work, peer, metric } = partsOf(name)
    const { unit, better } = metrics[metric as Metric]
    const below = floors.get(peer)
    const floor = below === undefined ? [] : results.rounds(work, below, metric as Metric)
    const load = loadMetrics.has(metric) ? loads.get(work) : undefined
    return {
      name,
      value: median(rounds),
      unit,
      better,
      rounds,
      ...(load !== undefined && { load: `${load} requests/s` }),
      ...(floor.length > 0 && { floor: median(floor.filter((value) => !Number.isNaN(value))) }),
    }
  })
}
