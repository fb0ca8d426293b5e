// A client that behaves in one way or another towards tcp-server.js: `node tcp-client.js ACT ADDRESS PORT [COUNT]`. It
// prints what it saw as a line of JSON.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { bodyChunks } from './body.js'

const [act, host, port, count = '1'] = process.argv.slice(2) as [string, string, string, string?]

async function open(says: string): Promise<Socket> {
  const socket = connect({ host, port: Number(port), allowHalfOpen: true })
  await once(socket, 'connect')
  socket.write(`${says}\n`)
  return socket
}

async function heard(socket: Socket): Promise<string> {
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  return text
}

/** Writes 100 bytes and waits until they have come back. */
async function echoed(socket: Socket): Promise<boolean> {
  const sent = Buffer.alloc(100, 'abcdefghij')
  socket.write(sent)
  let back = Buffer.alloc(0)
  while (back.length < sent.length) {
    const [data] = (await once(socket, 'data', { signal: AbortSignal.timeout(60_000) })) as [Buffer]
    back = Buffer.concat([back, data])
  }
  return back.equals(sent)
}

/** Works on `count` connections, of which 256 are being opened at a time. */
async function onMany(use: (socket: Socket) => Promise<boolean>): Promise<number> {
  let left = Number(count)
  let good = 0
  const work = async () => {
    while (left-- > 0) if (await use(await open('echo'))) good++
  }
  await Promise.all(Array.from({ length: 256 }, work))
  return good
}

const sockets: Socket[] = []

const acts: Readonly<Record<string, () => Promise<unknown>>> = {
  // Ends first, and is answered all the same.
  half: async () => {
    const socket = await open('hash')
    for (const chunk of bodyChunks(Number(count))) if (!socket.write(chunk)) await once(socket, 'drain')
    socket.end()
    return heard(socket)
  },
  // Is reset.
  reset: async () => {
    const [error] = (await once(await open('reset'), 'error')) as [NodeJS.ErrnoException]
    return error.code
  },
  // Resets in the middle of a body.
  leave: async () => {
    const socket = await open('body 100000000')
    await once(socket, 'data')
    socket.resetAndDestroy()
    return 'left'
  },
  // Reads what it gets of a large body; says when that begins, and what ended it.
  drain: async () => {
    const socket = await open(`body ${count}`)
    await once(socket, 'data')
    console.log('open')
    const [error] = (await once(socket.resume(), 'error')) as [NodeJS.ErrnoException]
    return error.code
  },
  // Asks for much, and reads none of it for some seconds.
  pause: async () => {
    const socket = await open(`body ${count}`)
    socket.pause()
    await sleep(3_000)
    const hash = createHash('sha256')
    for await (const chunk of socket) hash.update(chunk as Buffer)
    return hash.digest('hex')
  },
  // Many connections that are all open at once; they end with the process.
  hold: async () => onMany((socket) => (sockets.push(socket), echoed(socket))),
  // Many that say little, now and then.
  slow: async () => {
    const opened: Socket[] = []
    await onMany((socket) => Promise.resolve(opened.push(socket) > 0))
    const talk = async (socket: Socket) => {
      let good = true
      for (let i = 0; i < 5; i++) {
        await sleep(Math.random() * 2_000)
        good &&= await echoed(socket)
      }
      socket.end()
      await once(socket.resume(), 'end')
      return good
    }
    return (await Promise.all(opened.map(talk))).filter(Boolean).length
  },
}

console.log(JSON.stringify(await acts[act]!()))
if (sockets.length > 0) {
  await once(process, 'SIGTERM')
  for (const socket of sockets) socket.end()
  await Promise.all(sockets.map((socket) => once(socket.resume(), 'close')))
}
