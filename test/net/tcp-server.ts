// A server whose clients say in their first line what it is to do: `node tcp-server.js PORT`. It prints a line when it
// listens.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { bodyChunks } from './body.js'

const acts: Readonly<Record<string, (socket: Socket, argument: string) => void>> = {
  // Says back what it hears, and ends when the client has.
  echo: (socket) => socket.pipe(socket),
  // Answers with the hash of all that it has heard, once the client has ended.
  hash: (socket) => {
    const hash = createHash('sha256')
    socket.on('data', (data) => hash.update(data))
    socket.on('end', () => socket.end(hash.digest('hex')))
  },
  body: (socket, bytes) => Readable.from(bodyChunks(Number(bytes))).pipe(socket),
  reset: (socket) => socket.resetAndDestroy(),
}

const server = createServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', () => {})
  socket.once('data', (data: Buffer) => {
    const end = data.indexOf('\n')
    const [act, argument] = data.toString('latin1', 0, end).split(' ')
    acts[act!]!(socket, argument!)
    socket.unshift(data.subarray(end + 1))
  })
})
server.listen({ port: Number(process.argv[2]), host: '::', backlog: 8192 })
await once(server, 'listening')
console.log('ready')
