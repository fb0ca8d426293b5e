import { widthOf, type Paint } from '../paint.js'
import { count, table } from '../table.js'
import { client, gateway, service, shopPort, vethOf, type Container, type Joint } from './town.js'

/** The demo's network, drawn: the client on the left, the servers on the right, flatproxy between them. */
export function drawTown(joint: Joint, shops: readonly Container[], paint: Paint): string[] {
  const device = (container: Container) => (joint === 'iface' ? vethOf(container) : 'tap')
  const left = `  ${paint.bold(client.name)} ${client.address} ── ${device(client)} ─`
  const blank = ' '.repeat(widthOf(left))
  const right = shops.flatMap((shop) => [
    '',
    ` ${device(shop)} ── ${paint.bold(shop.name)} ${shop.address}:${shopPort}`,
  ])
  const middle = (shops.length * 2 - 2) / 2
  const rows = right.slice(1).map((server, index) => {
    const [from, into] = index === middle ? [left, '┤ flatproxy '] : [blank, '│           ']
    return server === '' ? `${from}${into}│` : `${from}${into}├──${server}`
  })
  const legend = `service ${service.name}: ${service.address}:${service.port}; everyone's gateway: ${gateway}`
  return [`${blank}┌───────────┐`, ...rows, `${blank}└───────────┘`, '', `  ${paint.dim(legend)}`]
}

const barWidth = 40

/** How many requests each server answered, as bars. */
export function drawBars(servers: readonly string[], answers: ReadonlyMap<string, number>, paint: Paint): string[] {
  const most = Math.max(1, ...answers.values())
  const rows = servers.map((name) => {
    const value = answers.get(name) ?? 0
    const bar = '█'.repeat(Math.round((value / most) * barWidth))
    return { name, value, bar: `${paint.cyan(bar)}${paint.dim('·'.repeat(barWidth - bar.length))}` }
  })
  return table(rows, [
    { head: '', cell: ({ name }) => `     ${name}` },
    { head: '', cell: ({ bar }) => bar },
    { head: '', cell: ({ value }) => count(value), right: true },
  ]).slice(1)
}

/** The value below which a share of all lies; 0 of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}
