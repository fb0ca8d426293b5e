import type { Flow } from '../api.js'
import { paint, print } from './command.js'
import type { Paint } from './paint.js'
import { age, bytes, count, table } from './table.js'

/** Flows, one a line. */
export async function printFlowsJson(flows: AsyncIterable<Flow>): Promise<void> {
  for await (const flow of flows) {
    if (!process.stdout.write(`${JSON.stringify(flow)}\n`))
      await new Promise((done) => process.stdout.once('drain', done))
  }
}

/**
 * Flows as tables, in pages of bounded size: there may be millions. Gives how many there were.
 *
 * @param now for their age; without it none is shown
 */
export async function printFlows(flows: AsyncIterable<Flow>, now?: number): Promise<number> {
  const page = 1_000
  let rows: Flow[] = []
  let total = 0
  for await (const flow of flows) {
    total++
    if (rows.push(flow) < page) continue
    print(...flowLines(rows, paint, now))
    rows = []
  }
  if (rows.length > 0) print(...flowLines(rows, paint, now))
  return total
}

/** Whom a flow goes to, in which VLAN. */
function receiver({ to, qp, vlan }: Flow): string {
  const end = qp === undefined ? to : `${to} qp ${qp}`
  return vlan === undefined ? end : `${end} vlan ${vlan}`
}

/** Flows as a table, for a terminal. */
export function flowLines(flows: readonly Flow[], paint: Paint, now?: number): string[] {
  const [head, ...rows] = table(flows, [
    { head: 'PROTO', cell: ({ protocol }) => protocol },
    { head: 'FROM', cell: ({ from }) => from },
    { head: 'TO', cell: receiver },
    { head: 'SERVICE', cell: ({ service }) => service ?? '' },
    { head: 'ENDPOINT', cell: ({ endpoint }) => endpoint ?? '' },
    { head: 'POLICY', cell: ({ policy }) => policy ?? '' },
    { head: 'VERDICT', cell: ({ verdict }) => (verdict === 'drop' || verdict === 'reject' ? verdict : '') },
    { head: 'STATE', cell: ({ state }) => state },
    { head: 'PACKETS', right: true, cell: ({ packets }) => count(packets) },
    { head: 'BYTES', right: true, cell: (flow) => bytes(flow.bytes) },
    { head: 'AGE', right: true, cell: ({ openedAt }) => (now === undefined ? '' : age(now - openedAt)) },
  ])
  return [paint.bold(head!), ...rows]
}
