// Asks row-server.js for each row of the table of responses, once with the connection closed behind it and once with it
// left open, and behind each, on the same connection and on one that all share, for something else. Prints as JSON what
// came back: `node row-client.js ADDRESS PORT`.
import { once } from 'node:events'
import { Agent, request, type ClientRequest, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { rowsOf, type Row } from '../http/rows.js'

export const thens = ['close', 'keep'] as const

/** What came back for a row. */
export interface SeenResponse {
  readonly file: string
  readonly name: string
  readonly then: (typeof thens)[number]
  /** Statuses of 1xx. */
  readonly interim: readonly number[]
  readonly status?: number
  /** Of the body, or of what came through the tunnel. */
  readonly bytes: number
  /** 'cut': it has no end, or there was none. */
  readonly end: 'whole' | 'cut' | 'tunnel'
  /** What was asked for behind it, and came. */
  readonly next: readonly boolean[]
}

const [host, port] = process.argv.slice(2) as [string, string]
const atOnce = 16
const shared = new Agent({ keepAlive: true, maxSockets: 1 })

type End = Pick<SeenResponse, 'status' | 'bytes' | 'end'>

/** Of a body up to the end of its connection Node's parser says that it is whole, also when that is a reset. */
async function wholeOrCut(asked: ClientRequest, response: IncomingMessage): Promise<End> {
  let bytes = 0
  let end: 'whole' | 'cut' = 'whole'
  asked.on('error', () => (end = 'cut'))
  try {
    for await (const chunk of response) bytes += (chunk as Buffer).length
  } catch {
    end = 'cut'
  }
  return { status: response.statusCode!, bytes, end }
}

/** What comes behind a head that Node's parser takes for the last thing of HTTP: as much as there should be. */
async function behind(status: number, socket: Duplex, head: Buffer, expected: number): Promise<End> {
  let bytes = head.length
  const more = async () => {
    for await (const chunk of socket) if ((bytes += (chunk as Buffer).length) >= expected) return
  }
  if (bytes < expected) await Promise.race([more().catch(() => {}), sleep(3_000)])
  socket.destroy()
  return { status, bytes, end: status < 300 ? 'tunnel' : 'whole' }
}

function endOf(asked: ClientRequest, { expect }: Row): Promise<End> {
  const expected = expect.rest ?? expect.messages.at(-1)?.body ?? 0
  return new Promise((resolve) => {
    asked.on('response', (response) => resolve(wholeOrCut(asked, response)))
    const goesOn = ({ statusCode }: IncomingMessage, socket: Duplex, head: Buffer) =>
      resolve(behind(statusCode!, socket, head, expected))
    asked.on('connect', goesOn)
    asked.on('upgrade', goesOn)
    asked.on('error', () => resolve({ bytes: 0, end: 'cut' }))
    asked.on('timeout', () => asked.destroy())
  })
}

async function ask(number: number, row: Row, then: SeenResponse['then'], agent: Agent): Promise<SeenResponse> {
  const { asked: kind = 'GET', file, name } = row
  const tunnel = 'other.example:443'
  const asked = request({
    host,
    port,
    agent,
    method: kind === 'websocket' ? 'GET' : kind,
    path: kind === 'CONNECT' ? tunnel : '/',
    headers: {
      'x-row': String(number),
      'x-then': then,
      ...(kind === 'CONNECT' && { host: tunnel }),
      ...(kind === 'websocket' && { connection: 'upgrade', upgrade: 'websocket' }),
    },
    timeout: 20_000,
  })
  const interim: number[] = []
  asked.on('information', ({ statusCode }) => interim.push(statusCode))
  asked.end()
  const end = await endOf(asked, row)
  const next = [await isAnswered(agent, `${number} ${then} same`), await isAnswered(shared, `${number} ${then} shared`)]
  return { file, name, then, interim, ...end, next }
}

async function isAnswered(agent: Agent, nonce: string): Promise<boolean> {
  const asked = request({ host, port, agent, headers: { 'x-nonce': nonce }, timeout: 20_000 })
  asked.on('timeout', () => asked.destroy())
  asked.end()
  try {
    const [response] = (await once(asked, 'response')) as [IncomingMessage]
    let body = ''
    for await (const chunk of response) body += String(chunk)
    return response.statusCode === 200 && body === nonce
  } catch {
    return false
  }
}

const tasks = thens.flatMap((then) => rowsOf('responses').map((row, number) => ({ row, number, then })))
const seen: SeenResponse[] = []
await Promise.all(
  Array.from({ length: atOnce }, async () => {
    for (let task = tasks.pop(); task !== undefined; task = tasks.pop()) {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      seen.push(await ask(task.number, task.row, task.then, agent))
      agent.destroy()
    }
  }),
)
shared.destroy()
console.log(JSON.stringify(seen))
