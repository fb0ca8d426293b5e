import { abortable, chooseWork, type BenchOptions } from './bench/choose.js'
import { benchEngine } from './bench/engine.js'
import type { Report, Row } from './bench/report.js'
import { runSideBySide } from './bench/run/run.js'

export {
  compareRatios,
  compareRuns,
  describeAgreement,
  describeChanges,
  readReport,
  type Change,
  type Disagreement,
} from './bench/against.js'
export { allCases, fullCases, quickCases } from './bench/cases.js'
export type { BenchOptions } from './bench/choose.js'
export { benchEngine, engineCases } from './bench/engine.js'
export { describeCommit, describeMachine, type Machine } from './bench/machine.js'
export { peerNames, quickPeers } from './bench/peers/index.js'
export type { Ratio, Report, Row } from './bench/report.js'
export { renderMarkdown, renderSummary } from './bench/report/markdown.js'
export { renderPlots } from './bench/report/plots.js'
export { renderTable } from './bench/report/table.js'
export type { Progress } from './bench/run/session.js'
export type { Interval } from './bench/statistics.js'

/**
 * Measures, and gives a row for each figure. Rows of the engine come one by one; those of the side-by-side runs when all
 * of their rounds, which alternate, are done.
 *
 * @throws FlatProxyError ERR_FLATPROXY_ARGUMENT for a case, a peer or a number that there is not;
 *   ERR_FLATPROXY_PERMISSION when side-by-side cases are not run as root; ERR_FLATPROXY_NOT_FOUND when a program that all
 *   of them need is missing. A peer that is missing is no error: it has no rows.
 */
export async function* bench(options: BenchOptions = {}): AsyncIterableIterator<Row> {
  const { engine, plan } = chooseWork(options)
  yield* benchEngine(engine, plan.rounds, options.signal)
  if (plan.cases.length > 0) yield* (await abortable(runSideBySide(plan, 'bench()'), options.signal)).report.rows
}

/**
 * The same side by side as one report: rows, ratios with their intervals, what is absent and why, latencies.
 *
 * @param options see {@link bench}; the cases of the engine are left out
 * @param command what the report says that it was made by
 */
export async function benchReport(options: BenchOptions = {}, command = 'benchReport()'): Promise<Report> {
  return (await abortable(runSideBySide(chooseWork(options).plan, command), options.signal)).report
}
