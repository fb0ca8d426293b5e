// Clients that are slow: `node slow-client.js KIND ADDRESS PORT COUNT`; KIND is what they are slow at. It prints a line
// when all are connected. At SIGTERM they read what there is to be read, and once the connections of all have ended, it
// prints as JSON how.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** How many connections have ended how: by the status of their answer; of slow readers `whole` or `cut`. */
export type SlowEnds = Readonly<Record<string, number>>

const [kind, host, port, count] = process.argv.slice(2) as [string, string, string, string]
const pause = 300
const bodyBytes = 400_000

const head = (method: string, path: string, field: string) => `${method} ${path} HTTP/1.1\r\nHost: slow\r\n${field}\r\n`

async function drip(socket: Socket, text: string): Promise<void> {
  while (socket.writable) {
    socket.write(text)
    await sleep(pause)
  }
}

const kinds: Readonly<Record<string, (socket: Socket) => void>> = {
  // A head, field by field.
  head: (socket) => {
    socket.write(head('GET', '/', 'x-slow: 0'))
    void drip(socket, 'x-slow: 1\r\n')
  },
  // A body, byte by byte.
  body: (socket) => {
    socket.write(head('POST', '/count', 'Content-Length: 100000\r\n'))
    void drip(socket, 'x')
  },
  // The beginning of a body.
  stall: (socket) => void socket.write(head('POST', '/count', 'Content-Length: 100000\r\n') + 'x'),
  // A large response, of which nothing is read for long.
  read: (socket) => {
    socket.write(head('GET', `/body/${bodyBytes}`, ''))
    socket.pause()
    process.once('SIGTERM', () => socket.resume())
  },
}

async function endOf(socket: Socket): Promise<string> {
  let [status, bytes] = ['none', 0]
  socket.on('error', () => {})
  socket.on('data', (data: Buffer) => {
    if (bytes === 0) status = data.toString('latin1', 9, 12)
    bytes += data.length
  })
  kinds[kind]!(socket)
  await new Promise((resolve) => socket.on('close', resolve))
  if (kind !== 'read') return status
  return bytes > bodyBytes ? 'whole' : 'cut'
}

process.setMaxListeners(0)
const stays = setInterval(() => {}, 1_000) // a connection of which nothing is read does not keep a process
process.on('SIGTERM', () => {})
const ends: Record<string, number> = {}
const sockets = Array.from({ length: Number(count) }, () => connect({ host, port: Number(port) }))
const all = Promise.all(sockets.map(endOf))
await Promise.all(sockets.map((socket) => once(socket, 'connect')))
console.log('ready')
for (const end of await all) ends[end] = (ends[end] ?? 0) + 1
clearInterval(stays)
console.log(JSON.stringify(ends satisfies SlowEnds))
