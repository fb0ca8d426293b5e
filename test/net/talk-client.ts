// A connection to tcp-server.js that never rests: `node talk-client.js FROM ADDRESS PORT`, FROM an address of its own.
// It prints a line when the first bytes are back, how many are at each SIGUSR2, and the error's code if there is one.
// At SIGTERM it ends, and prints whether all that came back is all that it sent.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { bodyChunks } from './body.js'

const [from, host, port] = process.argv.slice(2) as [string, string, string]
const sent = createHash('sha256')
const heard = createHash('sha256')
let back = 0
let over = false

const socket = connect({ host, port: Number(port), localAddress: from, allowHalfOpen: true })
socket.on('error', (error: NodeJS.ErrnoException) => {
  console.log(error.code)
  process.exit()
})
socket.on('data', (data) => {
  if (back === 0) console.log('open')
  heard.update(data)
  back += data.length
})
process.on('SIGUSR2', () => console.log(back))
process.on('SIGTERM', () => (over = true))

socket.write('echo\n')
for (const chunk of bodyChunks(Infinity)) {
  if (over) break
  sent.update(chunk)
  if (!socket.write(chunk)) await once(socket, 'drain')
  await sleep(20)
}
socket.end()
await once(socket, 'end')
console.log(sent.digest('hex') === heard.digest('hex') ? 'whole' : 'broken')
