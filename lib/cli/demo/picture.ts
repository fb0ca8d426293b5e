import type { Paint } from '../paint.js'
import { count, table } from '../table.js'
import { client, gateway, service, shopPort, vethOf, type Container, type Joint } from './town.js'

/** The demo's network, drawn. */
export function drawTown(joint: Joint, shops: readonly Container[], paint: Paint): string[] {
  const deviceOf = (container: Container) => (joint === 'iface' ? vethOf(container) : `tap in ${container.name}`)
  const left = `${paint.bold(client.name)} ${client.address} ── ${deviceOf(client)} ──`
  const width = plain(`${client.name} ${client.address} ── ${deviceOf(client)} ──`)
  const box = ['┌───────────┐', '│ flatproxy ├', '└───────────┘']
  const rows = shops.map((shop, index) => {
    const line = `${deviceOf(shop)} ── ${paint.bold(shop.name)} ${shop.address}:${shopPort}`
    return `${shops.length === 1 ? '──' : index === 0 ? '┬─' : index === shops.length - 1 ? '└─' : '├─'} ${line}`
  })
  const blank = ' '.repeat(width)
  return [
    `  ${blank} ${box[0]}`,
    `  ${left}${'┤'}${box[1]!.slice(1)}─${rows[0]}`.replace('──┤', '─┤'),
    ...rows.slice(1).map((row, index) => `  ${blank} ${index === 0 ? box[2] : ' '.repeat(13)} ${row}`),
    `  ${blank} ${paint.dim(`service ${service.name}: ${service.address}:${service.port}; everyone's gateway: ${gateway}`)}`,
  ]
}

function plain(text: string): number {
  return [...text].length
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
