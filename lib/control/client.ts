import { lstat } from 'node:fs/promises'
import { connect as open, type Socket } from 'node:net'
import { resolve } from 'node:path'
import type {
  CaptureOptions,
  EventMap,
  Explanation,
  FlatProxyEvent,
  Flow,
  FlowFilter,
  Frame,
  PacketCapture,
  Stats,
  Tuple,
  View,
} from '../api.js'
import { FlatProxyError } from '../errors.js'
import type { Tree } from '../mesh/tree.js'
import { ControlCapture } from './capture.js'
import { receiveMessages, sendMessage } from './messages.js'
import { controlError, controlLimits, protocolVersion, receivedError, type Method, type SentError } from './protocol.js'

/**
 * A view of a proxy in another process, by its control socket.
 *
 * @throws `ERR_FLATPROXY_CONTROL` when nobody listens there, or it is not ours to open
 */
export async function connectControl(path: string, options: { signal?: AbortSignal } = {}): Promise<View> {
  options.signal?.throwIfAborted()
  const view = new ControlView(resolve(path))
  await view.greet(options.signal)
  return view
}

/** What the statistics hold by name, and what comes in parts. */
type CountedSection = 'services' | 'listeners' | 'routes' | 'endpoints' | 'policies'

class ControlView implements View {
  private readonly closing = new AbortController()

  constructor(private readonly path: string) {}

  /** Finds out whether a proxy of this protocol answers. */
  async greet(signal?: AbortSignal): Promise<void> {
    const exchange = await this.begin(signal)
    exchange.socket.destroy()
  }

  async stats(options: { signal?: AbortSignal } = {}): Promise<Stats> {
    let stats: Stats | undefined
    const parts: Record<CountedSection, Record<string, unknown>> = {
      services: {},
      listeners: {},
      routes: {},
      endpoints: {},
      policies: {},
    }
    for await (const item of this.ask('stats', {}, options.signal)) {
      if (stats === undefined) stats = item as Stats
      else {
        const [section, name, counters] = item as [CountedSection, string, object]
        parts[section][name] = section === 'endpoints' ? { ...(parts[section][name] as object), ...counters } : counters
      }
    }
    if (stats === undefined) throw controlError(`no statistics came from ${this.path}`)
    return { ...stats, ...(parts as Pick<Stats, CountedSection>) }
  }

  async *flows({ signal, ...filter }: FlowFilter = {}): AsyncIterableIterator<Flow> {
    for await (const item of this.ask('flows', filter, signal)) yield item as Flow
  }

  async *events<T extends keyof EventMap>(options: {
    types: readonly T[]
    signal?: AbortSignal
  }): AsyncIterableIterator<{ events: FlatProxyEvent<T>[]; lost: number }> {
    for await (const item of this.ask('events', { types: options.types }, options.signal))
      yield item as { events: FlatProxyEvent<T>[]; lost: number }
  }

  async explain(input: Tuple | Frame): Promise<Explanation> {
    const params =
      'frame' in input && input.frame instanceof Uint8Array
        ? { ...input, frame: Buffer.from(input.frame).toString('base64') }
        : { ...input }
    for await (const item of this.ask('explain', params)) {
      const { explanation, text } = item as { explanation: Explanation; text: string }
      return Object.defineProperty(explanation, 'toString', { value: () => text })
    }
    throw controlError(`no explanation came from ${this.path}`)
  }

  capture({ signal, ...params }: CaptureOptions = {}): PacketCapture {
    return new ControlCapture((ended) => this.ask('capture', params, ended), signal)
  }

  /** Ends what runs over this view. The proxy itself goes on. */
  async close(): Promise<void> {
    this.closing.abort()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** One exchange: the items of its answer. */
  private async *ask(method: Method, params: object, signal?: AbortSignal): AsyncGenerator<unknown, void> {
    const exchange = await this.begin(signal)
    try {
      await sendMessage(exchange.socket, { method, params }, exchange.ended)
      for await (const reply of exchange.messages) {
        if ('error' in reply) throw receivedError(reply['error'] as SentError)
        if ('end' in reply) return
        for (const item of reply['items'] as unknown[]) yield item
      }
      throw closed(`${this.path} was closed by the proxy`)
    } catch (error) {
      throw this.reasonOf(error, signal)
    } finally {
      exchange.socket.destroy()
    }
  }

  private async begin(signal?: AbortSignal): Promise<Exchange> {
    signal?.throwIfAborted()
    if (this.closing.signal.aborted) throw closed('the view is closed')
    const socket = open(await ownSocket(this.path))
    const ended = AbortSignal.any(signal ? [signal, this.closing.signal] : [this.closing.signal])
    const destroy = () => socket.destroy()
    ended.addEventListener('abort', destroy, { once: true })
    socket.once('close', () => ended.removeEventListener('abort', destroy))
    const late = setTimeout(() => socket.destroy(controlError(`${this.path} does not answer`)), controlLimits.greeting)
    try {
      const messages = receiveMessages(socket, controlLimits.messageBytes)
      const hello = await messages.next()
      checkHello(this.path, hello.value || undefined)
      return { socket, messages, ended }
    } catch (error) {
      socket.destroy()
      throw this.reasonOf(error, signal)
    } finally {
      clearTimeout(late)
    }
  }

  /** What the caller is told of a failed exchange: of his abort first, then of close(), then of the failure. */
  private reasonOf(error: unknown, signal?: AbortSignal): unknown {
    if (signal?.aborted) return signal.reason
    if (this.closing.signal.aborted) return closed('the view was closed')
    if (error instanceof FlatProxyError) return error
    return unreachable(this.path, error as NodeJS.ErrnoException)
  }
}

interface Exchange {
  socket: Socket
  messages: AsyncGenerator<Tree, void>
  ended: AbortSignal
}

function closed(message: string): FlatProxyError {
  return new FlatProxyError('ERR_FLATPROXY_CLOSED', message)
}

/** In a folder where everybody may make sockets, only one of our own user (or root) can be a proxy that we mean. */
async function ownSocket(path: string): Promise<string> {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => error)
  if (found instanceof Error) throw unreachable(path, found)
  const user = process.geteuid?.()
  if (user !== 0 && found.uid !== user && found.uid !== 0)
    throw controlError(
      `${path} belongs to another user`,
      'Only the user who runs the proxy may open its control socket.',
    )
  return path
}

function unreachable(path: string, error: NodeJS.ErrnoException): FlatProxyError {
  switch (error.code) {
    case 'ENOENT':
      return controlError(
        `there is no control socket at ${path}`,
        `Start a proxy with it: flatproxy run mesh.yaml --control ${path}`,
        error,
      )
    case 'ECONNREFUSED':
      return controlError(`nobody listens on ${path} any more`, 'The proxy has ended; start it again.', error)
    case 'EACCES':
    case 'EPERM':
      return controlError(
        `${path} may not be opened`,
        'Only the user who runs the proxy may open its control socket.',
        error,
      )
    default:
      return controlError(`${path} cannot be reached: ${error.message}`, undefined, error)
  }
}

function checkHello(path: string, hello: Tree | undefined): void {
  if (hello === undefined)
    throw controlError(
      `${path} was closed before the proxy said anything`,
      'Too many clients may be connected; try again.',
    )
  if (hello['flatproxy'] === protocolVersion) return
  const version = typeof hello['version'] === 'string' ? hello['version'] : 'unknown'
  throw controlError(
    `${path} speaks another protocol (flatproxy ${version})`,
    'Use the flatproxy command of the version that runs.',
  )
}
