import { workOf, type Case } from '../cases.js'
import { quiet } from '../measure/cpu.js'
import type { Metric } from '../metrics.js'
import { logRatios, median, standardError } from '../statistics.js'
import { pairsOf } from './ratios.js'
import type { Results } from './results.js'

/** The standard error of a case's ratios may be this, as a share, at their median: more rounds make it less. */
const mostError = 0.07

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

/** How unsure the ratios of a case are, at their median; of the peers' figures where there are no pairs. */
export function errorOf(work: Case, peers: readonly string[], results: Results): number {
  const rounds = (peer: string) => results.rounds(work.name, peer, primaryOf(work))
  const there = peers.filter((peer) => rounds(peer).length > 0)
  const pairs = pairsOf(there, primaryOf(work)).map(([of, to]) => logRatios(rounds(of), rounds(to)))
  const alone = there.map((peer) => rounds(peer).filter((value) => value > 0)).map((values) => values.map(Math.log))
  const errors = (pairs.length > 0 ? pairs : alone).filter(({ length }) => length >= leastRounds).map(standardError)
  return errors.length === 0 ? 0 : median(errors)
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
    const error = errorOf(work, peers, results)
    if (error > mostError)
      found.set(work, `its ratios are only known to ${percent(error)} (at most ${percent(mostError)})`)
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
