import type { Flow } from '../api.js'
import type { Paint } from './paint.js'
import { age, bytes, count, table } from './table.js'

/** Flows as a table, for a terminal. */
export function flowLines(flows: readonly Flow[], paint: Paint, now = Date.now()): string[] {
  const [head, ...rows] = table(flows, [
    { head: 'PROTO', cell: ({ protocol }) => protocol },
    { head: 'FROM', cell: ({ from }) => from },
    { head: 'TO', cell: ({ to }) => to },
    { head: 'SERVICE', cell: ({ service }) => service ?? '' },
    { head: 'ENDPOINT', cell: ({ endpoint }) => endpoint ?? '' },
    { head: 'POLICY', cell: ({ policy }) => policy ?? '' },
    { head: 'STATE', cell: ({ state }) => state },
    { head: 'PACKETS', right: true, cell: ({ packets }) => count(packets) },
    { head: 'BYTES', right: true, cell: (flow) => bytes(flow.bytes) },
    { head: 'AGE', right: true, cell: ({ openedAt }) => age(now - openedAt) },
  ])
  return [paint.bold(head!), ...rows]
}
