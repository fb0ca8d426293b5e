import type { Explanation, FlowShadow, ShadowOptions, Shadowed } from '../api.js'
import { FlatProxyError } from '../errors.js'
import { parseDuration } from '../mesh/duration.js'
import type { MeshIds, Planned } from '../mesh/plan.js'
import {
  nativeError,
  recordBytes,
  type Addon,
  type NativeEngine,
  type NativeShadow,
  type NativeShadowed,
} from '../native.js'
import { explanationOf } from './explain.js'
import type { FlowReader } from './flow-record.js'
import { Names } from './names.js'
import { checkOptions } from './options.js'

/** Flows that are judged at once, so that whatever else is asked of the engine need not wait for long. */
const batchSize = 512
/** Flows that may wait to be judged; of more, events are lost. */
const maxPending = 65_536
/** Longer than this no timer runs: three weeks. */
const longestTimer = 2 ** 31 - 1

/** Flow records: out of the tables, or of events. */
export interface Records {
  readonly records: ArrayBuffer
  readonly areEvents: boolean
  /** The lanes' clock at this time. */
  readonly now: number
}

/** What a shadow is of. */
export interface ShadowSource {
  readonly addon: Addon
  readonly native: NativeEngine
  /** What is in force. */
  readonly ids: MeshIds
  readonly names: Names
  reader(now: number): FlowReader
  /** Pages of all flows: those that run, and those that were refused of late. */
  pages(): AsyncGenerator<Records, void>
  /**
   * Plans the other mesh beside what is in force, and has it used before that can change.
   *
   * @throws as `apply`
   */
  plan<T>(use: (plan: Planned) => Promise<T>): Promise<readonly [MeshIds, T]>
  /** Hears of flow events, and of how many were lost, until the result is called. */
  listen(heard: (records: Records | undefined, lost: number) => void): () => void
  /** It has ended, and asks for nothing any more. */
  over(): void
}

/** Live flows of a running engine, judged by another mesh beside the one in force. */
export class EngineShadow implements FlowShadow {
  judged = 0
  lost = 0
  private readonly told = this.tell()
  private readonly events: Records[] = []
  private pending = 0
  private ended = false
  private left = false
  private wake = () => {}
  private native!: NativeShadow
  private other!: MeshIds
  private otherNames!: Names

  constructor(
    private readonly options: ShadowOptions | undefined,
    private readonly source: ShadowSource,
  ) {}

  next(): Promise<IteratorResult<Shadowed, undefined>> {
    return this.told.next() as Promise<IteratorResult<Shadowed, undefined>>
  }

  async return(): Promise<IteratorResult<Shadowed, undefined>> {
    this.left = true
    this.finish()
    await this.told.return()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Ends it after what has come. */
  finish(): void {
    this.ended = true
    this.wake()
  }

  private async *tell(): AsyncGenerator<Shadowed, void> {
    const { duration, signal } = checked(this.options)
    signal?.throwIfAborted()
    const wake = () => this.wake()
    signal?.addEventListener('abort', wake)
    const stop = this.source.listen((records, lost) => this.hear(records, lost))
    let timer: NodeJS.Timeout | undefined
    try {
      await this.begin()
      if (duration !== undefined) timer = setTimeout(() => this.finish(), Math.min(duration, longestTimer))
      for await (const batch of this.batches(signal)) yield* await this.judge(batch)
    } catch (error) {
      // Closed meanwhile: what is not judged by then is not told.
      if (!this.ended || (error as { code?: unknown }).code !== 'ERR_FLATPROXY_CLOSED') throw nativeError(error)
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', wake)
      stop()
      this.source.over()
    }
  }

  /** Events first, since those are lost when they wait for long. */
  private async *batches(signal: AbortSignal | undefined): AsyncGenerator<Records, void> {
    const pages = this.source.pages()
    for (let all = false; ;) {
      signal?.throwIfAborted()
      if (this.left) return
      const events = this.events.shift()
      if (events) {
        this.pending -= count(events)
        yield* slices(events)
      } else if (!all) {
        const page = await pages.next()
        if (page.done) all = true
        else yield page.value
      } else if (this.ended) return
      else await new Promise<void>((resolve) => (this.wake = resolve))
    }
  }

  private async begin(): Promise<void> {
    const { addon, native } = this.source
    const [ids, begun] = await this.source.plan(({ chunks }) => addon.beginShadow(native, chunks))
    this.native = begun
    this.use(ids)
  }

  /** What is in force has changed: the other mesh is to be planned beside it anew. */
  private async replace(): Promise<void> {
    const { addon, native } = this.source
    const [ids] = await this.source.plan(({ chunks }) => addon.replaceShadow(native, this.native, chunks))
    this.use(ids)
  }

  private use(ids: MeshIds): void {
    this.other = ids
    this.otherNames = new Names(ids)
  }

  private async judge(batch: Records): Promise<Shadowed[]> {
    const { addon, native } = this.source
    for (;;) {
      const said = await addon.judgeShadow(native, this.native, batch.records, batch.areEvents)
      this.judged = said.judged
      if (!said.stale) return said.differences.map((each) => this.shadowed(batch, each))
      await this.replace()
    }
  }

  private shadowed(batch: Records, { flow: place, now, then }: NativeDifference): Shadowed {
    const { addon, ids, names } = this.source
    const reader = this.source.reader(batch.now)
    const flow = reader.flowAt(batch.records, place)
    const input = { on: flow.on, protocol: flow.protocol, from: flow.from, to: flow.to }
    const packet = reader.packetAt(batch.records, place)
    const words = (said: typeof now, ids: MeshIds, names: Names): Explanation =>
      explanationOf(said, { addon, planner: ids, names, input, packet })
    return { flow, now: words(now, ids, names), then: words(then, this.other, this.otherNames) }
  }

  private hear(records: Records | undefined, lost: number): void {
    this.lost += lost
    if (!records || this.ended) return
    const flows = count(records)
    if (this.pending + flows > maxPending) this.lost += flows
    else {
      this.pending += flows
      this.events.push(records)
      this.wake()
    }
  }
}

type NativeDifference = NativeShadowed['differences'][number]

const count = ({ records }: Records) => records.byteLength / recordBytes

function* slices(batch: Records): Generator<Records> {
  const bytes = batchSize * recordBytes
  for (let from = 0; from < batch.records.byteLength; from += bytes)
    yield { ...batch, records: batch.records.slice(from, from + bytes) }
}

function checked(options: ShadowOptions | undefined): {
  duration: number | undefined
  signal: AbortSignal | undefined
} {
  checkOptions(options, ['duration', 'signal'], 'shadow')
  const { duration, signal } = options ?? {}
  if (duration === undefined) return { duration, signal }
  const milliseconds = parseDuration(duration)
  if (milliseconds === undefined)
    throw new FlatProxyError('ERR_FLATPROXY_ARGUMENT', "duration must be a duration such as '10s'")
  return { duration: milliseconds, signal }
}
