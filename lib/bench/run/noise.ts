import { workOf, type Case } from '../cases.js'
import { quiet } from '../measure/cpu.js'
import type { Metric } from '../metrics.js'
import { median, relativeSpread } from '../statistics.js'
import type { Results } from './results.js'

/** The rounds of a case may spread by this, as a share, for the median of its peers. */
const mostSpread = 0.1

/** The share of its time that a machine may lose to others. */
const mostStolen = 0.05

/** With fewer rounds their spread says nothing. */
const leastRounds = 3

const percent = (share: number) => `${(share * 100).toFixed(1)} %`

/** The figure by which a case is judged. */
export const primaryOf = (work: Case): Metric => {
  if (work.base === 'idle') return 'bytes'
  return workOf(work).path === '/10MB' ? 'gbps' : 'rps'
}

/** How far the rounds of a case lie apart: the median of its peers' spreads. */
export function spreadOf(work: Case, peers: readonly string[], results: Results): number {
  const all = peers.map((peer) => results.rounds(work.name, peer, primaryOf(work)).filter((value) => value > 0))
  const spreads = all.filter((rounds) => rounds.length >= leastRounds).map(relativeSpread)
  return spreads.length === 0 ? 0 : median(spreads)
}

/** What of a run is too noisy, by case, with the reason. Memory is no matter of the machine's peace. */
export function noisyCases(
  cases: readonly Case[],
  peers: readonly string[],
  { results, stolen, idle }: { results: Results; stolen: readonly number[]; idle: number },
): Map<Case, string> {
  const judged = cases.filter(({ base }) => base !== 'idle')
  const everywhere = wholeRun(stolen, idle)
  const found = new Map<Case, string>()
  for (const work of judged) {
    const spread = spreadOf(work, peers, results)
    if (spread > mostSpread) found.set(work, `its rounds differ by ${percent(spread)} (at most ${percent(mostSpread)})`)
    else if (everywhere) found.set(work, everywhere)
  }
  return found
}

function wholeRun(stolen: readonly number[], idle: number): string | undefined {
  const mean = stolen.reduce((sum, share) => sum + share, 0) / Math.max(1, stolen.length)
  if (mean > mostStolen) return `the hypervisor took ${percent(mean)} of the time (at most ${percent(mostStolen)})`
  return idle > quiet
    ? `the proxy's core was ${percent(idle)} busy with other work (at most ${percent(quiet)})`
    : undefined
}
