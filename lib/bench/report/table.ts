import { caseOf, describeCase } from '../cases.js'
import { metrics } from '../metrics.js'
import { partsOf, type Report } from '../report.js'
import { casesIn, columns, metricsIn, rowsByPeer, short, showRatio, verdictOf, withSpread } from './format.js'

/** A run for a terminal: a table for each case, ratios below it, what is absent and what is doubtful at the end. */
export function renderTable(report: Report): string {
  const parts = casesIn(report).map((work) => caseTable(report, work))
  const engine = report.rows.filter(({ name }) => !name.includes('/'))
  if (engine.length > 0) parts.push(engineTable(engine))
  const absent = absentLines(report)
  if (absent.length > 0) parts.push(['not measured', ...absent.map((line) => `  ${line}`)].join('\n'))
  if (report.noise.length > 0) parts.push(['NOISY', ...report.noise.map((line) => `  ${line}`)].join('\n'))
  return parts.join('\n\n')
}

function caseTable(report: Report, work: string): string {
  const peers = rowsByPeer(report, work)
  const shown = metricsIn(peers)
  const lines = [['', ...shown.map((metric) => metrics[metric].title)]]
  for (const [peer, rows] of peers)
    lines.push([peer, ...shown.map((metric) => (rows.has(metric) ? withSpread(rows.get(metric)!) : ''))])
  for (const { name, why } of report.absent) {
    const { work: of, peer } = partsOf(name)
    if (of === work && peer.startsWith('flatproxy'))
      lines.push([peer, ...shown.map((_, column) => (column === 0 ? why : ''))])
  }
  const load = report.loads[work]
  const heading = `${work}: ${describeCase(caseOf(work))}${load === undefined ? '' : `; open loop at ${load}/s`}`
  return [heading, ...columns(lines), ...ratioLines(report, work)].join('\n')
}

function ratioLines({ ratios }: Report, work: string): string[] {
  const shown = ratios.filter(({ name }) => /^(.*)\/(rps|gbps|cpu_us|bytes)$/.exec(name)?.[1] === work)
  if (shown.length === 0) return []
  const lines = shown.map((ratio) => [
    `  ${ratio.of} / ${ratio.to}`,
    ratio.name.split('/')[1]!,
    showRatio(ratio),
    verdictOf(ratio),
  ])
  return columns([['  ratio', '', '95 % interval', ''], ...lines])
}

function engineTable(rows: Report['rows']): string {
  const lines = rows.map(({ name, value, unit, floor, rounds }) => [
    name,
    short(value),
    unit,
    floor === undefined ? '' : (value / floor).toFixed(2),
    rounds.map(short).join(' '),
  ])
  return columns([['', 'median', 'unit', 'of its floor', 'rounds'], ...lines]).join('\n')
}

/** Each reason once, with the cases and peers that it keeps away. */
export function absentLines({ absent }: Report): string[] {
  const byWhy = new Map<string, string[]>()
  for (const { name, why } of absent) {
    const { work, peer } = partsOf(name)
    const key = `${peer}: ${why}`
    byWhy.set(key, [...(byWhy.get(key) ?? []), work])
  }
  return [...byWhy].map(([key, works]) => `${key} (${works.join(', ')})`)
}
