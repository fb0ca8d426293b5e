import type { Report } from '../report.js'
import { colourOf, element, label, picture } from './svg.js'

const plot = { left: 68, top: 48, width: 620, height: 320 }
const legend = 150

/** Shares of the requests that have a line: the vertical axis stretches its end, as 1 - share on a log scale. */
const shares = [0, 0.5, 0.9, 0.99, 0.999, 0.9999]
const heightOf = (share: number) =>
  plot.top + plot.height * (1 - Math.min(1, -Math.log10(Math.max(1e-4, 1 - share)) / 4))

type Buckets = readonly (readonly [number, number])[]

/** How the latencies of a case's peers are spread, at its open-loop load: which share of requests took at most how long. */
export function renderLatency(report: Report, work: string): string {
  const lines = Object.entries(report.latencies)
    .filter(([name]) => name.startsWith(`${work}/`))
    .map(([name, buckets]) => ({ peer: name.slice(work.length + 1), buckets }))
  const bounds = lines
    .flatMap(({ buckets }) => [buckets[0]?.[0] ?? 1, buckets.at(-1)?.[0] ?? 1])
    .map((us) => Math.max(1, us))
  const first = Math.floor(Math.log10(Math.min(...bounds)))
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(...bounds))))
  const place = (us: number) =>
    plot.left + (plot.width * (Math.log10(Math.max(us, 10 ** first)) - first)) / (last - first)
  const title = `${work}: latency at ${report.loads[work] ?? '?'} requests/s, from the moment when each was due`
  const drawn = lines.map(({ peer, buckets }, index) => curve(buckets, place, colourOf(peer, index)))
  const keys = lines.map(({ peer }, index) => key(peer, index, colourOf(peer, index)))
  const width = plot.left + plot.width + legend + 20
  return picture(
    width,
    420,
    title,
    label(12, 22, title, { class: 'title' }),
    ...grid(first, last, place),
    ...drawn,
    ...keys,
  )
}

function grid(first: number, last: number, place: (us: number) => number): string[] {
  const rows = shares.map((share) => {
    const y = heightOf(share)
    const line = element('path', { class: 'line', d: `M${plot.left} ${y.toFixed(1)}h${plot.width}` })
    return (
      line +
      label(plot.left - 8, y + 4, `${Number((share * 100).toFixed(2))} %`, { class: 'faint', 'text-anchor': 'end' })
    )
  })
  const decades = Array.from({ length: last - first + 1 }, (_, index) => first + index)
  return [
    ...rows,
    ...decades.map((power) => {
      const x = place(10 ** power)
      const line = element('path', { class: 'line', d: `M${x.toFixed(1)} ${plot.top}v${plot.height}` })
      return (
        line + label(x, plot.top + plot.height + 20, duration(10 ** power), { class: 'faint', 'text-anchor': 'middle' })
      )
    }),
  ]
}

const duration = (us: number) => (us >= 1e6 ? `${us / 1e6} s` : us >= 1e3 ? `${us / 1e3} ms` : `${us} µs`)

function curve(buckets: Buckets, place: (us: number) => number, stroke: string): string {
  const total = buckets.reduce((sum, [, count]) => sum + count, 0)
  let below = 0
  const points: string[] = []
  let drawn = { x: -1, y: -1 }
  for (const [index, [bound, count]] of buckets.entries()) {
    const [x, start] = [place(bound), heightOf(below / total)]
    below += count
    const y = heightOf(below / total)
    // A step that nobody can see is part of the next one.
    const isSeen = Math.abs(x - drawn.x) >= 1 || Math.abs(y - drawn.y) >= 1
    if (!isSeen && index < buckets.length - 1) continue
    points.push(`${x.toFixed(1)} ${start.toFixed(1)}`, `${x.toFixed(1)} ${y.toFixed(1)}`)
    drawn = { x, y }
  }
  return points.length === 0
    ? ''
    : element('path', { d: `M${points.join('L')}`, fill: 'none', stroke, 'stroke-width': 2 })
}

function key(peer: string, index: number, stroke: string): string {
  const x = plot.left + plot.width + 20
  const y = plot.top + 12 + index * 20
  return element('path', { d: `M${x} ${y - 4}h18`, stroke, 'stroke-width': 3 }) + label(x + 24, y, peer)
}
