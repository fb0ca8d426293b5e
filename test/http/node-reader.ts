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

/// Feeds `bytes` in pieces that end at `cuts`, and at last; `after` each is told its end, and says whether that is enough.
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
  return { messages, then: then ?? restOf(bytes, messages) }
}

const isWhole = (incoming: Incoming): incoming is Incoming & { end: number } => incoming.end !== undefined
const restOf = (bytes: Buffer, messages: Message[]) =>
  (messages.at(-1)?.end ?? 0) === bytes.length ? 'open' : 'incomplete'

const askedFor = (asked: Asked): http.RequestOptions =>
  asked === 'websocket' ? { headers: { Connection: 'Upgrade', Upgrade: 'websocket' } } : { method: asked }

/// The client's side: the interim responses and the final one to a request.
export async function readResponses(bytes: Buffer, asked: Asked = 'GET', cuts = everyByte(bytes)): Promise<Reading> {
  const wire = new Wire()
  const request = http.request({ ...askedFor(asked), createConnection: () => wire })
  let interim: number[] = []
  let final: http.IncomingMessage | undefined
  let tunnelled: Buffer | undefined
  let refused = false
  request.on('information', ({ statusCode }) => interim.push(statusCode))
  request.on('response', (response) => (final = response.on('error', () => {})))
  for (const event of ['connect', 'upgrade'])
    request.on(event, (response: http.IncomingMessage, _: unknown, head: Buffer) => {
      final = response
      tunnelled = head
    })
  request.on('error', () => (refused = true))
  await new Promise((resolve) => request.on('socket', resolve).end())

  const messages: Message[] = []
  const take = (end: number): Reading['then'] | undefined => {
    for (const status of interim) messages.push({ start: String(status), body: 0, end })
    interim = []
    if (!final || !(final.complete || tunnelled)) return refused ? 'refused' : undefined
    const body = final.readableLength
    messages.push({ start: String(final.statusCode), body, end: end - (tunnelled?.length ?? 0) })
    return tunnelled ? 'tunnel' : 'answered'
  }
  let then: Reading['then'] | undefined
  feed(wire, bytes, cuts, (end) => (then = take(end)) !== undefined)
  if (then === undefined) {
    wire.emit('end')
    if (final?.complete) then = take(bytes.length)
  }
  wire.destroy()
  return { messages, then: then ?? restOf(bytes, messages) }
}
