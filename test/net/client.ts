// Short connections, or datagrams, one by one: `node client.js tcp|udp ADDRESS PORT COUNT`. It prints as JSON how many
// were answered, and each kind of failure.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, isIPv6 } from 'node:net'

const [kind, address, port, count] = process.argv.slice(2) as [string, string, string, string]
const atOnce = 32
let left = Number(count)
let answered = 0
const failures = new Set<string>()

async function connection(): Promise<void> {
  const socket = connect({ host: address, port: Number(port) })
  socket.setTimeout(10_000, () => socket.destroy(new Error('nothing came in 10 s')))
  socket.write(`GET /small HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n`)
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  if (!text.startsWith('HTTP/1.1 200 ')) throw new Error(`the answer was ${JSON.stringify(text.slice(0, 40))}`)
}

async function datagram(number: number): Promise<void> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  try {
    // Connected: an answer from any other address than the one that was asked is none.
    socket.connect(Number(port), address)
    await once(socket, 'connect')
    socket.send(`datagram ${number}`)
    const [answer] = (await once(socket, 'message', { signal: AbortSignal.timeout(5_000) })) as [Buffer]
    if (answer.toString() !== `datagram ${number}`) throw new Error(`the echo was ${answer.toString()}`)
  } finally {
    socket.close()
  }
}

async function work(): Promise<void> {
  while (left > 0) {
    const number = left--
    try {
      await (kind === 'tcp' ? connection() : datagram(number))
      answered++
    } catch (error) {
      failures.add((error as Error).message)
    }
  }
}

await Promise.all(Array.from({ length: atOnce }, work))
console.log(JSON.stringify({ answered, failures: [...failures] }))
