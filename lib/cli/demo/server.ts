import { createServer, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

/** A shop of the demo: `node server.js NAME PORT`. It says its name; `/download` takes it some seconds to send. */
const [name = 'shop', port = '8080'] = process.argv.slice(2)

const chunk = Buffer.alloc(32 * 1024, name)
const chunks = 80
const pause = 40

async function download(response: ServerResponse): Promise<void> {
  process.stdout.write('download\n')
  response.setHeader('content-length', chunk.length * chunks)
  for (let sent = 0; sent < chunks; sent++) {
    response.write(chunk)
    await sleep(pause)
  }
  response.end()
}

const server = createServer((request, response) => {
  response.setHeader('x-served-by', name)
  const seen = ['x-team', 'x-secret'].filter((field) => field in request.headers)
  response.setHeader('x-seen', seen.join(' '))
  if (request.url === '/download') void download(response)
  else response.end(name)
})
server.listen(Number(port), () => process.stdout.write('ready\n'))
process.on('SIGINT', () => {}) // Ctrl-C is for the demo, which ends us
