import type { EventMap, FlatProxyEvent } from '../api.js'

/** Events that a listener may be behind; more are lost, and counted. */
const maxPendingEvents = 8192

/** Events that the engine tells only while somebody listens: what their types begin with. */
type Kind = 'flow' | 'exchange'
const kinds: readonly Kind[] = ['flow', 'exchange']

type EventType = keyof EventMap
type Batch<T extends EventType> = { events: FlatProxyEvent<T>[]; lost: number }
type Waiting<T extends EventType> = {
  resolve: (result: IteratorResult<Batch<T>, undefined>) => void
  reject: (reason: unknown) => void
}

/** Brings the engine's events to everybody who listens. */
export class EventHub {
  private readonly listeners = new Set<Listener<EventType>>()
  private closed = false
  private readonly held: Record<Kind, number> = { flow: 0, exchange: 0 }

  /** @param want told when the first listener to events of a kind comes, and when the last one has gone */
  constructor(private readonly want: Record<Kind, (want: boolean) => unknown>) {}

  /** Whether anybody listens to events of a kind. */
  wanted(kind: Kind): boolean {
    return this.held[kind] > 0 || [...this.listeners].some((listener) => listener.wants(kind))
  }

  /** Has the engine tell events of a kind until the result is called, though nobody may listen here. */
  hold(kind: Kind): () => void {
    this.update(() => this.held[kind]++)
    return () => this.update(() => this.held[kind]--)
  }

  /** Listens from now on. */
  listen<T extends EventType>(types: readonly T[], signal?: AbortSignal): AsyncIterableIterator<Batch<T>> {
    const listener = new Listener<T>(new Set(types), signal, () => this.update(() => this.listeners.delete(leaving)))
    const leaving = listener as unknown as Listener<EventType>
    if (signal?.aborted) listener.fail(signal.reason)
    else if (this.closed) listener.finish()
    else this.update(() => this.listeners.add(leaving))
    return listener
  }

  publish(events: readonly FlatProxyEvent[]): void {
    for (const listener of this.listeners) listener.take(events)
  }

  /** So many events of a kind never reached the process. */
  lost(kind: Kind, count: number): void {
    for (const listener of this.listeners) if (listener.wants(kind)) listener.lose(count)
  }

  /** Ends every listener's iteration, after what it has not taken yet. */
  close(): void {
    this.closed = true
    for (const listener of [...this.listeners]) listener.finish()
  }

  private update(change: () => void): void {
    const before = kinds.map((kind) => this.wanted(kind))
    change()
    if (this.closed) return
    for (const [index, kind] of kinds.entries())
      if (this.wanted(kind) !== before[index]) this.want[kind](!before[index])
  }
}

/** One who listens. Events wait here, bounded, until they are asked for. */
class Listener<T extends EventType> implements AsyncIterableIterator<Batch<T>> {
  private pending: FlatProxyEvent<T>[] = []
  private lostCount = 0
  private waiting: Waiting<T>[] = []
  private ended = false
  private failure: { reason: unknown } | undefined
  private readonly abort = () => this.fail(this.signal!.reason)

  constructor(
    private readonly types: ReadonlySet<EventType>,
    private readonly signal: AbortSignal | undefined,
    private readonly leave: () => void,
  ) {
    signal?.addEventListener('abort', this.abort, { once: true })
  }

  wants(kind: Kind): boolean {
    return [...this.types].some((type) => type.startsWith(`${kind}:`))
  }

  take(events: readonly FlatProxyEvent[]): void {
    for (const event of events) {
      if (!this.types.has(event.type)) continue
      if (this.pending.length < maxPendingEvents) this.pending.push(event as unknown as FlatProxyEvent<T>)
      else this.lostCount++
    }
    this.deliver()
  }

  lose(count: number): void {
    this.lostCount += count
    this.deliver()
  }

  finish(): void {
    if (this.ended) return
    this.ended = true
    this.signal?.removeEventListener('abort', this.abort)
    this.leave()
    for (const { resolve } of this.waiting.splice(0)) resolve({ done: true, value: undefined })
  }

  fail(reason: unknown): void {
    if (this.ended) return
    this.pending = []
    this.lostCount = 0
    const [first, ...others] = this.waiting.splice(0)
    if (first) first.reject(reason)
    else this.failure = { reason }
    this.finish()
    for (const { resolve } of others) resolve({ done: true, value: undefined })
  }

  next(): Promise<IteratorResult<Batch<T>, undefined>> {
    return new Promise((resolve, reject) => {
      if (this.failure) {
        const { reason } = this.failure
        this.failure = undefined
        // The caller's own reason for his abort, whatever it is.
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
        return reject(reason)
      }
      if (this.ended && this.empty) return resolve({ done: true, value: undefined })
      this.waiting.push({ resolve, reject })
      this.deliver()
    })
  }

  async return(): Promise<IteratorResult<Batch<T>, undefined>> {
    this.finish()
    this.pending = []
    this.lostCount = 0
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  private get empty(): boolean {
    return this.pending.length === 0 && this.lostCount === 0
  }

  private deliver(): void {
    if (this.empty) return
    const waiting = this.waiting.shift()
    if (!waiting) return
    const batch = { events: this.pending, lost: this.lostCount }
    this.pending = []
    this.lostCount = 0
    waiting.resolve({ done: false, value: batch })
  }
}
