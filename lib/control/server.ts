import { createServer, type Server, type Socket } from 'node:net'
import type { Flow, Stats, View } from '../api.js'
import { FlatProxyError } from '../errors.js'
import { isPlainObject, type Tree } from '../mesh/tree.js'
import { version } from '../version.js'
import { receiveMessages, sendMessage } from './messages.js'
import { listenAt, type Place } from './place.js'
import { controlLimits, methods, protocolVersion, sendableError, type Method } from './protocol.js'
import { filterOf, eventTypesOf, captureOf, packetOf } from './request.js'

/** What of a proxy its control socket shows. */
export type Shown = Pick<View, 'stats' | 'flows' | 'events' | 'explain' | 'capture'>

/** A control socket that is open. */
export interface ControlServer {
  /** Its absolute path. */
  readonly path: string
  /** Removes the socket and ends what runs over it. */
  close(): Promise<void>
}

/**
 * Opens the control socket of a proxy. It does not keep the process alive.
 *
 * @throws `ERR_FLATPROXY_CONTROL`, see {@link listenAt}
 */
export async function openControl(path: string, view: Shown): Promise<ControlServer> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket.unref())
    socket.on('error', () => {}) // 'close' follows, and ends the exchange
    void serve(socket, view).finally(() => sockets.delete(socket))
  })
  server.maxConnections = controlLimits.connections
  server.unref()
  const place = await listenAt(server, path)
  return { path: place.path, close: () => close(server, place, sockets) }
}

async function close(server: Server, place: Place, sockets: Set<Socket>): Promise<void> {
  await place.remove()
  const closed = new Promise((done) => server.close(done))
  for (const socket of sockets) socket.destroy()
  await closed
}

/** One connection: greets, reads the request, answers it. */
async function serve(socket: Socket, view: Shown): Promise<void> {
  const gone = new AbortController()
  socket.once('close', () => gone.abort())
  const { signal } = gone
  const messages = receiveMessages(socket, controlLimits.requestBytes)
  try {
    await sendMessage(socket, { flatproxy: protocolVersion, version, pid: process.pid }, signal)
    const late = setTimeout(() => socket.destroy(), controlLimits.greeting).unref()
    const request = await messages.next()
    clearTimeout(late)
    if (request.done) return
    // Reads on, so that the end of the connection is noticed; there is nothing more to be said.
    const more = messages.next().then(
      () => gone.abort(),
      () => gone.abort(),
    )
    await answer(socket, view, request.value, signal)
    await sendMessage(socket, { end: true }, signal)
    socket.end()
    await more
  } catch (error) {
    if (!signal.aborted) socket.end(`${JSON.stringify({ error: sendableError(error) })}\n`)
  } finally {
    setTimeout(() => socket.destroy(), controlLimits.greeting).unref()
  }
}

async function answer(socket: Socket, view: Shown, request: Tree, signal: AbortSignal): Promise<void> {
  const { method, params = {} } = request
  if (!methods.includes(method as Method) || !isPlainObject(params))
    throw new FlatProxyError('ERR_FLATPROXY_ARGUMENT', `no such request: ${String(method)}`)
  for await (const items of answers[method as Method](view, params, signal))
    await sendMessage(socket, { items }, signal)
}

type Answer = (view: Shown, params: Tree, signal: AbortSignal) => AsyncIterable<unknown[]>

const answers: Record<Method, Answer> = {
  async *stats(view, _, signal) {
    yield* statsInParts(await view.stats({ signal }))
  },
  async *flows(view, params, signal) {
    yield* inBatches(view.flows({ ...filterOf(params), signal }))
  },
  async *events(view, params, signal) {
    for await (const { events, lost } of view.events({ types: eventTypesOf(params), signal }))
      for (let from = 0; from === 0 || from < events.length; from += controlLimits.items)
        yield [{ events: events.slice(from, from + controlLimits.items), lost: from === 0 ? lost : 0 }]
  },
  async *explain(view, params) {
    const explanation = await view.explain(packetOf(params))
    yield [{ explanation, text: explanation.toString() }]
  },
  async *capture(view, params, signal) {
    const capture = view.capture({ ...captureOf(params), signal })
    for await (const bytes of capture) {
      const { packets, lost } = capture
      for (let from = 0; from < bytes.length; from += controlLimits.captureBytes) {
        const part = Buffer.from(bytes.subarray(from, from + controlLimits.captureBytes)).toString('base64')
        yield [{ bytes: part, packets, lost }]
      }
    }
  },
}

async function* inBatches(flows: AsyncIterable<Flow>): AsyncGenerator<Flow[]> {
  let batch: Flow[] = []
  for await (const flow of flows) {
    if (batch.push(flow) < controlLimits.items) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}

/** First all but what there may be thousands of, then that in parts: no message grows large. */
function* statsInParts(stats: Stats): Generator<unknown[]> {
  yield [{ ...stats, services: {}, listeners: {}, routes: {}, endpoints: {}, policies: {} }]
  const entries = (['services', 'listeners', 'routes', 'policies'] as const).flatMap((section) =>
    Object.entries<object>(stats[section]).map(([name, counters]): unknown => [section, name, counters]),
  )
  for (const [service, endpoints] of Object.entries(stats.endpoints))
    for (const [endpoint, counters] of Object.entries(endpoints))
      entries.push(['endpoints', service, { [endpoint]: counters }])
  for (let from = 0; from < entries.length; from += controlLimits.items)
    yield entries.slice(from, from + controlLimits.items)
}
