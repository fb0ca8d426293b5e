import { readFileSync } from 'node:fs'
import { FlatProxyError } from '../errors.js'
import { loadMetrics } from './metrics.js'
import { partsOf, type Ratio, type Report, type Row } from './report.js'
import { ratioOfRuns, type Interval } from './statistics.js'

/** How a figure has changed since another run. */
export interface Change {
  readonly name: string
  readonly ratio: Interval
  readonly kind: 'regression' | 'improvement' | 'same'
}

/** Below this no change is told: machines that are shared differ so much from day to day. */
const leastChange = 0.03

/** Reads a run's JSON file. */
export function readReport(path: string): Report {
  let read: unknown
  try {
    read = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new FlatProxyError('ERR_FLATPROXY_FILE', `${path}: ${(error as Error).message}`, { cause: error })
  }
  const { rows } = (read ?? {}) as { rows?: unknown }
  const isRow = (row: unknown): row is Row => {
    const { name, rounds, value } = (row ?? {}) as Record<string, unknown>
    return typeof name === 'string' && typeof value === 'number' && Array.isArray(rounds)
  }
  if (!Array.isArray(rows) || !rows.every(isRow))
    throw new FlatProxyError('ERR_FLATPROXY_FILE', `${path}: not a benchmark's JSON file: it has no rows`)
  return read as Report
}

/**
 * Every figure that both runs have, with how it has changed. A regression is worse by more than 3 %, and its interval
 * does not hold 1. Figures under different loads are not compared.
 */
export function compareRuns(now: readonly Row[], before: readonly Row[]): Change[] {
  const known = new Map(before.map((row) => [row.name, row]))
  return now.flatMap((row) => {
    const old = known.get(row.name)
    if (!old || old.load !== row.load) return []
    const ratio = ratioOfRuns(row.rounds, old.rounds)
    return ratio ? [{ name: row.name, ratio, kind: kindOf(row.better, ratio) }] : []
  })
}

function kindOf(better: Row['better'], { value, low, high }: Interval): Change['kind'] {
  if ((low <= 1 && high >= 1) || Math.abs(value - 1) < leastChange) return 'same'
  return value > 1 === (better === 'more') ? 'improvement' : 'regression'
}

/** A ratio that is not what it was in another run. */
export interface Disagreement {
  readonly now: Ratio
  readonly before: Ratio
}

/** How many ratios two runs share, and which do not agree: they lie further apart than both intervals allow. */
export function compareRatios(now: Report, before: Report): { common: number; disagree: Disagreement[] } {
  const identity = ({ name, of, to }: Ratio) => `${name} ${of} ${to}`
  const known = new Map(before.ratios.map((ratio) => [identity(ratio), ratio]))
  const pairs = now.ratios.flatMap((ratio) => {
    const old = known.get(identity(ratio))
    return old && isSameLoad(ratio, now, before) ? [{ now: ratio, before: old }] : []
  })
  return { common: pairs.length, disagree: pairs.filter(({ now, before }) => liesApart(now, before)) }
}

function isSameLoad({ name }: Ratio, now: Report, before: Report): boolean {
  const { work, peer: metric } = partsOf(name)
  return !loadMetrics.has(metric) || now.loads[work] === before.loads[work]
}

/** Independent errors add as squares. */
function liesApart(now: Interval, before: Interval): boolean {
  const [high, low] = now.value > before.value ? [now, before] : [before, now]
  const allowed = Math.hypot(Math.log(high.value / high.low), Math.log(low.high / low.value))
  return Math.log(high.value / low.value) > allowed
}

/** Whether two runs agree, in lines. */
export function describeAgreement({ common, disagree }: ReturnType<typeof compareRatios>): string[] {
  const told = ({ value, low, high }: Interval) => `${value.toFixed(3)} (${low.toFixed(3)}–${high.toFixed(3)})`
  return [
    ...disagree.map(
      ({ now, before }) => `differs: ${now.name} of ${now.of} to ${now.to}: ${told(now)}, it was ${told(before)}`,
    ),
    `${common - disagree.length} of ${common} ratios agree within their intervals`,
  ]
}

/** What has changed, in lines: regressions first. */
export function describeChanges(changes: readonly Change[]): string[] {
  const line = ({ name, ratio, kind }: Change) =>
    `${kind}: ${name} ${ratio.value.toFixed(3)} (${ratio.low.toFixed(3)}–${ratio.high.toFixed(3)})`
  const told = (['regression', 'improvement'] as const).flatMap((kind) =>
    changes.filter((change) => change.kind === kind),
  )
  const same = changes.length - told.length
  return [...told.map(line), `${same} of ${changes.length} figures are the same within their noise`]
}
