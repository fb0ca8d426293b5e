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
  let said = Buffer.alloc(0)
  socket.on('data', function listen(data: Buffer) {
    said = Buffer.concat([said, data])
    const end = said.indexOf('\n')
    if (end < 0) return
    socket.off('data', listen)
    const [act, argument] = said.toString('latin1', 0, end).split(' ')
    acts[act!]!(socket, argument!)
    socket.unshift(said.subarray(end + 1))
  })
})
server.listen({ port: Number(process.argv[2]), host: '::', backlog: 8192 })
await once(server, 'listening')
console.log('ready')
