import type { Paint } from './paint.js'
import { count, percent, table } from './table.js'
import type { TopReport } from './top-report.js'

/** A report as lines of a terminal. */
export function topLines(report: TopReport, paint: Paint): string[] {
  const { received, newFlows, newConnections, flows, busy, refused, top, generation } = report
  const news = `${count(newFlows)} new flows/s, ${count(newConnections)} new connections/s`
  const state = `${count(flows)} flows, lanes ${percent(busy)} busy, generation ${generation}`
  const [reasonTitles, ...reasonRows] = table(refused, [
    { head: 'REFUSED', cell: ({ reason }) => reason },
    { head: 'PACKETS/S', right: true, cell: ({ packets }) => count(packets) },
    { head: 'BITS/S', right: true, cell: ({ bits }) => perSecond(bits) },
  ])
  const [flowTitles, ...flowRows] = table(top, [
    { head: 'PROTO', cell: ({ protocol }) => protocol },
    { head: 'FROM', cell: ({ from }) => from },
    { head: 'TO', cell: ({ to }) => to },
    { head: 'ENDPOINT', cell: ({ service, endpoint }) => [service, endpoint].filter(Boolean).join(' ') },
    { head: 'STATE', cell: ({ state }) => state },
    { head: 'PACKETS/S', right: true, cell: ({ rate }) => count(rate.packets) },
    { head: 'BITS/S', right: true, cell: ({ rate }) => perSecond(rate.bits) },
  ])
  return [
    paint.bold(`${count(received.packets)} packets/s, ${perSecond(received.bits)}bit/s, ${news}`),
    paint.dim(state),
    ...(reasonRows.length > 0 ? ['', paint.bold(reasonTitles!), ...reasonRows] : []),
    ...(flowRows.length > 0 ? ['', paint.bold(flowTitles!), ...flowRows] : []),
  ]
}

/** In the largest unit of 1000 that leaves a number above 1, with a blank: `12.3 M`, `870 `. */
function perSecond(value: number): string {
  const units = ['', 'k', 'M', 'G', 'T']
  const power = value < 1000 ? 0 : Math.min(Math.floor(Math.log10(value) / 3), units.length - 1)
  return `${power === 0 ? Math.round(value) : (value / 1000 ** power).toFixed(1)} ${units[power]}`
}
