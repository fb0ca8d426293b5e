// The server of the tests, on all addresses: HTTP (`/small`, `/body/BYTES`, `/count`: how many were sent) and UDP echo on
// the port.
// `node server.js PORT`. It prints a line when it listens.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { Readable } from 'node:stream'
import { bodyChunks } from './body.js'

const port = Number(process.argv[2])
const server = createServer((request, response) => {
  const [, kind, bytes] = request.url!.split('/')
  if (kind === 'body') Readable.from(bodyChunks(Number(bytes))).pipe(response)
  else if (kind === 'count')
    countOf(request).then(
      (count) => response.end(String(count)),
      () => {}, // its client has left in the middle
    )
  else response.end('small')
})
async function countOf(chunks: AsyncIterable<Buffer>): Promise<number> {
  let count = 0
  for await (const chunk of chunks) count += chunk.length
  return count
}
const echo = createSocket('udp6')
echo.on('message', (message, from) => echo.send(message, from.port, from.address))

server.listen({ port, host: '::', backlog: 8192 })
echo.bind(port, '::')
await Promise.all([once(server, 'listening'), once(echo, 'listening')])
console.log('ready')
