// A server that says in each response, in the field `x-saw`, which request it has seen: method, target and bytes of the
// body. `node saw-server.js PORT`. It prints a line when it listens.
import { once } from 'node:events'
import { createServer } from 'node:http'

const server = createServer((request, response) => {
  let bytes = 0
  request.on('data', (chunk: Buffer) => (bytes += chunk.length))
  request.on('end', () => {
    response.setHeader('x-saw', `${request.method} ${request.url} ${bytes}`)
    response.end('seen\r\n')
  })
})
server.listen({ port: Number(process.argv[2]), host: '::' })
await once(server, 'listening')
console.log('ready')
