import { metrics, type Metric } from '../metrics.js'
import type { Ratio, Report, Row } from '../report.js'
import { partsOf } from '../report.js'

/** Three digits that count. */
export function short(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US')
  return Math.abs(value) < 0.005 ? '0' : String(Number(value.toPrecision(3)))
}

/** A value with half the range of its rounds, in the metric's unit. */
export function withSpread({ value, rounds }: Row): string {
  const half = (Math.max(...rounds) - Math.min(...rounds)) / 2
  return rounds.length > 1 ? `${short(value)} ±${short(half)}` : short(value)
}

/** `1.23 (1.18–1.29)` */
export const showRatio = ({ value, low, high }: Ratio): string =>
  `${value.toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)})`

/** What a ratio says: the reader need not know which way is better. */
export function verdictOf({ name, low, high }: Ratio): 'better' | 'worse' | 'no difference' {
  const metric = name.split('/')[1] as Metric
  if (low <= 1 && high >= 1) return 'no difference'
  return low > 1 === (metrics[metric].better === 'more') ? 'better' : 'worse'
}

/** The cases of a report, in order. */
export function casesIn({ rows, absent }: Report): string[] {
  return [...new Set([...rows, ...absent].map(({ name }) => partsOf(name).work))].filter((work) =>
    rows.some(({ name }) => name.includes('/') && partsOf(name).work === work),
  )
}

/** A case's rows, by peer and then by metric. */
export function rowsByPeer({ rows }: Report, work: string): Map<string, Map<string, Row>> {
  const found = new Map<string, Map<string, Row>>()
  for (const row of rows) {
    const parts = partsOf(row.name)
    if (parts.work !== work || parts.peer === '') continue
    if (!found.has(parts.peer)) found.set(parts.peer, new Map())
    found.get(parts.peer)!.set(parts.metric, row)
  }
  return found
}

/** The metrics that a case's rows have, in the order of reports. */
export function metricsIn(peers: ReadonlyMap<string, ReadonlyMap<string, Row>>): Metric[] {
  const there = new Set([...peers.values()].flatMap((rows) => [...rows.keys()]))
  return (Object.keys(metrics) as Metric[]).filter((metric) => there.has(metric))
}

/** Cells in columns, for a terminal. */
export function columns(lines: readonly (readonly string[])[]): string[] {
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)))
  return lines.map((line) =>
    line
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  )
}

/** A table in Markdown. */
export function markdownTable(lines: readonly (readonly string[])[]): string {
  const [head, ...body] = lines.map((cells) => `| ${cells.join(' | ')} |`)
  return [head, `|${lines[0]!.map(() => '---').join('|')}|`, ...body].join('\n')
}
