// A server that answers with rows of the table of responses (test/http/messages): a request's field `x-row` is the number
// of one. Behind it the connection is closed, or, with `x-then: keep`, left open. A request without that field is answered
// with its field `x-nonce`. `node row-server.js PORT`. It prints a line when it listens.
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { bytesOf, rowsOf } from '../http/rows.js'

const rows = rowsOf('responses')

function answer(socket: Socket, head: string): void {
  const field = (name: string) => new RegExp(`^${name}: (.*)\r$`, 'm').exec(head)?.[1]
  const [row, nonce = ''] = [field('x-row'), field('x-nonce')]
  if (row === undefined) socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${nonce.length}\r\n\r\n${nonce}`)
  else if (field('x-then') === 'keep') socket.write(bytesOf(rows[Number(row)]!))
  else socket.end(bytesOf(rows[Number(row)]!))
}

const server = createServer((socket) => {
  let text = ''
  socket.on('error', () => {})
  socket.on('data', (data: Buffer) => {
    text += data.toString('latin1')
    for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
      answer(socket, text.slice(0, end + 2))
      text = text.slice(end + 4)
    }
  })
})
server.listen({ port: Number(process.argv[2]), host: '::' })
await once(server, 'listening')
console.log('ready')
