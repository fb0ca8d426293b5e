import type { Report } from '../report.js'
import { renderBars } from './bars.js'
import { casesIn } from './format.js'
import { renderLatency } from './latency.js'

export const barsName = (work: string): string => `bars-${work}.svg`
export const latencyName = (work: string): string => `latency-${work}.svg`

/** The plots of a report, by file name: bars of each case, latencies of those that have an open-loop load. */
export function renderPlots(report: Report): Map<string, string> {
  const plots = new Map<string, string>()
  for (const work of casesIn(report)) {
    plots.set(barsName(work), renderBars(report, work))
    if (Object.keys(report.latencies).some((name) => name.startsWith(`${work}/`)))
      plots.set(latencyName(work), renderLatency(report, work))
  }
  return plots
}
