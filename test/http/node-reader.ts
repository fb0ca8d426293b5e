// What Node's HTTP parser and server, or client, make of a stream of bytes: the messages that they take for whole, where
// each ends, and what comes then. Bytes are handed over by `data` events, so that Node has dealt with one piece before the
// next one: where a message ends is known to the byte if a piece ends there.
import http from 'node:http'
import { Duplex } from 'node:stream'
import type { Asked, Message } from './rows.js'

export interface Reading {
  messages: Message[]
  then: 'open' | 'incomplete' | 'answered' | 'closed' | 'tunnel' | 'refused'
}

/// The offsets behind each byte.
export const everyByte = (bytes: Buffer): number[] => Array.from(bytes, (_, i) => i + 1)

class Wire extends Duplex {
  written = 0
  override _read() {}
  override _write(chunk: Buffer, _encoding: string, done: () => void) {
    this.written += chunk.length
    done()
  }
}

interface Incoming {
  message: http.IncomingMessage
  keepAlive: boolean
  end?: number
}

/// Feeds `bytes` in pieces that end at `cuts`, until `stop` says so. Returns the offset that it came to.
function feed(wire: Wire, bytes: Buffer, cuts: number[], after: (end: number) => boolean) {
  let at = 0
  for (const cut of [...cuts, bytes.length]) {
    if (cut <= at) continue
    const piece = bytes.subarray(at, cut)
    at = cut
    wire.emit('data', piece)
    if (after(at)) return
  }
}

/// The server's side. It answers nothing: requests may come behind one another all the same.
export function readRequests(bytes: Buffer, cuts = everyByte(bytes)): Reading {
  const wire = new Wire()
  const requests: Incoming[] = []
  let then: Reading['then'] | undefined
  let tunnelled = 0
  const take = (message: http.IncomingMessage, response: http.ServerResponse) => {
    message.on('error', () => {}) // it is cut off at last
    requests.push({ message, keepAlive: response.shouldKeepAlive })
  }
  const tunnel = (message: http.IncomingMessage, _: unknown, head: Buffer) => {
    requests.push({ message, keepAlive: true })
    tunnelled = head.length
    then = 'tunnel'
  }
  const server = http.createServer()
  server.on('request', take).on('checkContinue', take)
  server.on('connect', tunnel).on('upgrade', tunnel)
  server.on('checkExpectation', () => (then = 'refused'))
  server.on('clientError', () => (then ??= 'refused'))
  server.emit('connection', wire)
  feed(wire, bytes, cuts, (end) => {
    if (wire.written > 0) then ??= 'refused' // Node has answered by itself
    for (const request of requests) {
      if (request.end !== undefined || !(request.message.complete || then === 'tunnel')) continue
      request.end = end - tunnelled
      if (!request.keepAlive) then ??= 'closed'
    }
    return then !== undefined
  })
  const messages = requests.filter(isWhole).map(({ message, end }) => ({
    start: message.method!,
    target: message.url!,
    body: message.readableLength,
    end,
  }))
  wire.destroy()
  return { messages, then: then ?? (endOf(messages) === bytes.length ? 'open' : 'incomplete') }
}

const isWhole = (incoming: Incoming): incoming is Incoming & { end: number } => incoming.end !== undefined
const endOf = (messages: Message[]) => messages.at(-1)?.end ?? 0

const askedFor = (asked: Asked): http.RequestOptions =>
  asked === 'websocket' ? { headers: { Connection: 'Upgrade', Upgrade: 'websocket' } } : { method: asked }

/// The client's side: the interim responses and the final one to a request.
export async function readResponses(bytes: Buffer, asked: Asked = 'GET', cuts = everyByte(bytes)): Promise<Reading> {
  const wire = new Wire()
  const request = http.request({ ...askedFor(asked), createConnection: () => wire })
  const messages: Message[] = []
  let final: http.IncomingMessage | undefined
  let then: Reading['then'] | undefined
  let at = 0
  const finish = (message: http.IncomingMessage, how: Reading['then'], end: number) => {
    messages.push({ start: String(message.statusCode), body: message.readableLength, end })
    then = how
  }
  const tunnel = (message: http.IncomingMessage, _: unknown, head: Buffer) => (
    (final = message),
    (at = head.length),
    (then = 'tunnel')
  )
  let interim: number[] = []
  request.on('response', (response) => (final = response.on('error', () => {})))
  request.on('information', ({ statusCode }) => interim.push(statusCode))
  request.on('connect', tunnel).on('upgrade', tunnel)
  request.on('error', () => (then ??= 'refused'))
  await new Promise((resolve) => request.on('socket', resolve).end())
  feed(wire, bytes, cuts, (end) => {
    for (const status of interim) messages.push({ start: String(status), body: 0, end })
    interim = []
    if (final && then === 'tunnel') finish(final, 'tunnel', end - at)
    else if (final?.complete && then === undefined) finish(final, 'answered', end)
    return then !== undefined
  })
  if (then === undefined) {
    wire.emit('end')
    then = undefined // an error now is about what did not come
    if (final?.complete) finish(final, 'answered', bytes.length)
  }
  wire.destroy()
  return { messages, then: then ?? (endOf(messages) === bytes.length ? 'open' : 'incomplete') }
}
