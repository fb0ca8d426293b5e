// Clients that ask one GET after the other, each on a connection of its own that is kept:
// `node load-client.js ADDRESS PORT CONNECTIONS`. The path and the host are `/rN` and `hN.example`, N from 0 to 9999. It
// prints a line when each has had an answer, and at SIGTERM what all have seen, as JSON.
import { once } from 'node:events'
import { Agent, request, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Load {
  /** Requests by what became of them: the status and the field `x-by` of the answer, or what went wrong. */
  readonly ends: Readonly<Record<string, number>>
  /** How many connections it took. */
  readonly connections: number
  /** How long the slowest took, in milliseconds. */
  readonly slowest: number
}

const [host, port, count] = process.argv.slice(2) as [string, string, string]
const [pause, paths] = [10, 10_000]
const ends: Record<string, number> = {}
const sockets = new Set<Socket>()
let slowest = 0
let number = 0
let goesOn = true
process.once('SIGTERM', () => (goesOn = false))

async function ask(agent: Agent): Promise<string> {
  const n = (number += 1_237) % paths
  const asked = request({ host, port, agent, path: `/r${n}`, headers: { host: `h${n}.example` }, timeout: 20_000 })
  asked.on('socket', (socket) => sockets.add(socket))
  asked.on('timeout', () => asked.destroy(new Error('no answer')))
  asked.end()
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  let body = ''
  for await (const chunk of response) body += String(chunk)
  const by = response.headers['x-by'] ?? ''
  return body === 'small' || response.statusCode !== 200
    ? `${response.statusCode} ${String(by)}`.trim()
    : `the body ${JSON.stringify(body)}`
}

async function step(agent: Agent): Promise<void> {
  const begin = performance.now()
  const end = await ask(agent).catch((error: NodeJS.ErrnoException) => error.code ?? error.message)
  ends[end] = (ends[end] ?? 0) + 1
  slowest = Math.max(slowest, performance.now() - begin)
}

async function work(agent: Agent): Promise<void> {
  while (goesOn) {
    await sleep(pause)
    await step(agent)
  }
  agent.destroy()
}

const agents = Array.from({ length: Number(count) }, () => new Agent({ keepAlive: true, maxSockets: 1 }))
await Promise.all(agents.map(step))
console.log('ready')
await Promise.all(agents.map(work))
console.log(JSON.stringify({ ends, connections: sockets.size, slowest } satisfies Load))
