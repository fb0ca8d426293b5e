// Sends each row of the table of requests (test/http/messages) on a connection of its own, half-closes it, and prints as
// JSON what came back: `node message-client.js ADDRESS PORT`.
import { connect } from 'node:net'
import { bytesOf, rowsOf, type Row } from '../http/rows.js'

/** What came back for a row. */
export interface Seen {
  readonly file: string
  readonly name: string
  /** What the server has seen of each request, by the field `x-saw` of its responses. */
  readonly saw: readonly string[]
  /** Statuses of final responses. */
  readonly statuses: readonly number[]
}

const [address, port] = process.argv.slice(2) as [string, string]
const atOnce = 16

function exchange(bytes: Buffer): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const socket = connect({ host: address, port: Number(port), allowHalfOpen: true })
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
    socket.on('error', () => {}) // a reset ends it as well
    socket.on('end', () => socket.destroy())
    socket.on('close', () => resolve(text))
    socket.setTimeout(8_000, () => socket.destroy())
    socket.end(bytes)
  })
}

async function send(row: Row): Promise<Seen> {
  const text = await exchange(bytesOf(row))
  const saw = [...text.matchAll(/^x-saw: (.*)\r$/gm)].map(([, what]) => what!)
  const statuses = [...text.matchAll(/^HTTP\/1\.1 ([2-5]\d\d) /gm)].map(([, status]) => Number(status))
  return { file: row.file, name: row.name, saw, statuses }
}

const rows = rowsOf('requests')
const seen: Seen[] = []
let next = 0
await Promise.all(
  Array.from({ length: atOnce }, async () => {
    for (let row = rows[next++]; row !== undefined; row = rows[next++]) seen.push(await send(row))
  }),
)
console.log(JSON.stringify(seen))
