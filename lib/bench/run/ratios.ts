import type { Case } from '../cases.js'
import { ratioOf } from '../statistics.js'
import type { Metric } from '../metrics.js'
import type { Ratio } from '../report.js'
import type { Results } from './results.js'

const compared: readonly Metric[] = ['rps', 'gbps', 'cpu_us', 'fixed_cpu_us', 'p50_us', 'p99_us', 'bytes', 'rest_bytes']

/**
 * Every flatproxy against every other peer of a case. Where flatproxy cannot run yet, every peer against no proxy; but not
 * its CPU, as the core of no proxy has nothing to do.
 */
export function ratiosOf(cases: readonly Case[], peers: readonly string[], results: Results): Ratio[] {
  return cases.flatMap(({ name }) =>
    compared.flatMap((metric) => {
      const there = peers.filter((peer) => results.rounds(name, peer, metric).length > 0)
      return pairsOf(there, metric).flatMap(([of, to]) => {
        const interval = ratioOf(results.rounds(name, of, metric), results.rounds(name, to, metric))
        return interval ? [{ name: `${name}/${metric}`, of, to, ...interval }] : []
      })
    }),
  )
}

/** Which peers of a case are compared by a figure. */
export function pairsOf(peers: readonly string[], metric: Metric): (readonly [of: string, to: string])[] {
  const isOurs = (peer: string) => peer.startsWith('flatproxy')
  const worksForCpu = (peer: string) => !(metric.endsWith('cpu_us') && peer === 'direct')
  const ours = peers.filter(isOurs)
  const references = peers.filter(worksForCpu)
  if (ours.length > 0)
    // Of two flatproxies the first stands against the second, and not the other way round as well.
    return ours.flatMap((of) =>
      references.filter((to) => !isOurs(to) || ours.indexOf(of) < ours.indexOf(to)).map((to) => [of, to] as const),
    )
  return references.includes('direct') ? peers.filter((of) => of !== 'direct').map((of) => [of, 'direct'] as const) : []
}
