// One connection, or one datagram: `node probe-client.js tcp|udp FROM ADDRESS PORT MS`, FROM an address of its own. It
// prints as JSON what came of it within MS (`open`: the connection, or the echo; `timeout`; or the error's code), and
// after how many milliseconds.
import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'

const [kind, from, host, port, limit] = process.argv.slice(2) as [string, string, string, string, string]
const began = performance.now()

function end(ended: string): void {
  console.log(JSON.stringify({ ended, after: performance.now() - began }))
  process.exit()
}
const fail = (error: NodeJS.ErrnoException) => end(error.code ?? error.message)

setTimeout(() => end('timeout'), Number(limit))
if (kind === 'tcp') {
  connect({ host, port: Number(port), localAddress: from }, () => end('open')).on('error', fail)
} else {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
  socket.on('message', () => end('open')).on('error', fail)
  // Connected: errors of ICMP are told to no other socket.
  socket.bind(0, from, () => socket.connect(Number(port), host, () => socket.send('probe')))
}
