import { caseOf, describeCase } from '../cases.js'
import { metrics, type Metric } from '../metrics.js'
import type { Report, Row } from '../report.js'
import { rowsByPeer, short } from './format.js'
import { colourOf, element, label, picture } from './svg.js'

const barHeight = 16
const step = 22
const names = 120
const panelWidth = 260
const values = 110

/** What a case's bars show, in this order, as far as it has them. */
const shown: readonly Metric[] = ['rps', 'gbps', 'cpu_us', 'bytes', 'rest_bytes']

/** Bars of a case: a panel for each figure, a bar for each peer, the range of its rounds as a whisker. */
export function renderBars(report: Report, work: string): string {
  const peers = [...rowsByPeer(report, work)]
  const panels = shown.filter((metric) => peers.some(([, rows]) => rows.has(metric)))
  const width = names + panels.length * (panelWidth + values)
  const top = 56
  const texts = peers.map(([peer], place) => label(names - 8, top + place * step + 12, peer, { 'text-anchor': 'end' }))
  const drawn = panels.map((metric, place) => {
    const x = names + place * (panelWidth + values)
    return panel(
      x,
      top,
      metric,
      peers.map(([peer, rows]) => ({ peer, row: rows.get(metric) })),
    )
  })
  const title = `${work}: ${describeCase(caseOf(work))}`
  const height = top + peers.length * step + 12
  return picture(width, height, title, label(12, 22, title, { class: 'title' }), ...texts, ...drawn)
}

function panel(
  x: number,
  top: number,
  metric: Metric,
  bars: readonly { peer: string; row: Row | undefined }[],
): string {
  const most = Math.max(...bars.map(({ row }) => Math.max(row?.value ?? 0, ...(row?.rounds ?? []))), 1e-9)
  const { title, better } = metrics[metric]
  const heading = label(x, top - 12, `${title} (${better} is better)`, { class: 'faint' })
  const drawn = bars.map(({ peer, row }, place) =>
    row === undefined ? '' : bar(x, top + place * step, row, panelWidth / most, colourOf(peer, place)),
  )
  return heading + drawn.join('')
}

function bar(x: number, y: number, { value, rounds }: Row, scale: number, fill: string): string {
  const [low, high] = [Math.max(0, Math.min(...rounds)) * scale, Math.max(0, ...rounds) * scale]
  const middle = y + barHeight / 2
  const stroke = { class: 'whisker', fill: 'none' }
  const whisker = `M${(x + low).toFixed(1)} ${middle - 4}v8m0 -4H${(x + high).toFixed(1)}m0 -4v8`
  return (
    element('rect', { x, y, width: Math.max(1, value * scale), height: barHeight, rx: 2, fill }) +
    element('path', { d: whisker, ...stroke }) +
    label(x + Math.max(value * scale, high) + 8, y + 12, short(value))
  )
}
