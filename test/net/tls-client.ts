// A client that asks over one kept connection, again and again: `node tls-client.js HOST ADDRESS PORT ROOT`. It prints a
// line when it has its first answer, and at SIGTERM what it has seen, in JSON.
import { readFileSync } from 'node:fs'
import { Agent, get } from 'node:https'
import type { TLSSocket } from 'node:tls'

const [host, address, port, root] = process.argv.slice(2) as [string, string, string, string]
const agent = new Agent({ keepAlive: true, maxSockets: 1 })
const options = { host: address, port, path: '/small', servername: host, agent, ca: readFileSync(root) }
const seen = { answers: 0, errors: [] as string[], serials: [] as string[] }

function ask(): void {
  const request = get(options, (response) => {
    const { serialNumber } = (response.socket as TLSSocket).getPeerCertificate()
    if (!seen.serials.includes(serialNumber)) seen.serials.push(serialNumber)
    response.resume().on('end', () => {
      if (++seen.answers === 1) console.log('asked')
      setTimeout(ask, 10)
    })
  })
  request.on('error', ({ message }) => seen.errors.push(message))
}

ask()
process.once('SIGTERM', () => {
  console.log(JSON.stringify(seen))
  process.exit()
})
