import type { CaptureOptions, PacketCapture } from '../api.js'
import { FlatProxyError } from '../errors.js'
import { parseDuration } from '../mesh/duration.js'
import { quote } from '../mesh/names.js'
import { nativeError, type Addon, type NativeCapture, type NativeCaptureOptions } from '../native.js'
import { checkOptions } from './options.js'

/** Bytes that are read at once, about: with the last packet, less than a message of the control socket may carry. */
const chunkBytes = 128 * 1024
const snapLengthMax = 262_144
/** Milliseconds between two looks, soon after there was something and at ease; and how many looks are soon after. */
const pauses = { short: 1, long: 20, quiet: 10 } as const

/** What a capture is of. */
export interface CaptureSource {
  readonly addon: Addon
  /** Ids by name. */
  readonly ports: ReadonlyMap<string, number>
  begin(options: NativeCaptureOptions): Promise<NativeCapture>
  end(capture: NativeCapture): Promise<void>
  /** It has ended, and asks for nothing any more. */
  over(): void
}

type Result = IteratorResult<Uint8Array, undefined>
const done: Result = { done: true, value: undefined }

/** A capture of a running engine. The addon keeps what has come, bounded, until it is taken. */
export class EngineCapture implements PacketCapture {
  packets = 0
  lost = 0
  private readonly begun: Promise<void>
  private native: NativeCapture | undefined
  private ending: Promise<void> | undefined
  /** Lanes give nothing any more. */
  private complete = false
  /** Nobody takes any more. */
  private over = false
  private failure: { reason: unknown } | undefined
  private timer: NodeJS.Timeout | undefined
  private turn: Promise<unknown> = Promise.resolve()
  private wake = () => {}
  private readonly abort = () => {
    if (this.over) return
    this.failure = { reason: this.signal!.reason }
    void this.leave()
  }
  private signal: AbortSignal | undefined

  constructor(
    options: CaptureOptions,
    private readonly source: CaptureSource,
  ) {
    this.begun = this.begin(options)
    this.begun.catch((reason: unknown) => {
      this.failure ??= { reason }
      this.close()
    })
  }

  next(): Promise<Result> {
    const taken = this.turn.then(() => this.take())
    this.turn = taken.catch(() => undefined)
    return taken
  }

  async return(): Promise<Result> {
    await this.leave()
    return done
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Ends it after what has come. No effect when it has ended. */
  finish(): Promise<void> {
    return (this.ending ??= this.begun
      .then(() => this.source.end(this.native!))
      .catch(() => undefined)
      .then(() => {
        clearTimeout(this.timer)
        this.complete = true
        this.source.over()
        this.wake()
      }))
  }

  private async begin(given: CaptureOptions): Promise<void> {
    const options = checked(given, this.source)
    this.signal = options.signal
    this.signal?.throwIfAborted()
    this.signal?.addEventListener('abort', this.abort, { once: true })
    const { addon } = this.source
    try {
      const filter = options.filter === '' ? undefined : await addon.compileFilter(options.filter)
      this.native = await this.source.begin({ ...options, filter })
    } catch (error) {
      throw nativeError(error)
    }
    if (options.duration !== undefined)
      this.timer = setTimeout(() => void this.finish(), Math.min(options.duration, 2 ** 31 - 1)).unref()
  }

  private async take(): Promise<Result> {
    for (let quiet = 0; ; quiet++) {
      const { failure } = this
      this.failure = undefined
      if (failure) throw failure.reason
      if (this.over) return done
      if (!this.native) {
        await this.ready()
        continue
      }
      const { complete } = this
      const bytes = this.read(this.native)
      if (bytes.length > 0) return { done: false, value: bytes }
      if (complete) return { done: false, value: this.last(this.native) }
      await this.pause(quiet < pauses.quiet ? pauses.short : pauses.long)
    }
  }

  /** Until it has begun, or is left. */
  private async ready(): Promise<void> {
    const left = new Promise<void>((resolve) => (this.wake = resolve))
    await Promise.race([this.begun.catch(() => undefined), left])
  }

  private read(native: NativeCapture): Uint8Array {
    const { addon } = this.source
    const bytes = addon.readCapture(native, chunkBytes)
    const { packets, lost, full } = addon.captured(native)
    this.packets = packets
    this.lost = lost
    if (full) void this.finish()
    return bytes
  }

  /** What stands behind all packets. */
  private last(native: NativeCapture): Uint8Array {
    this.close()
    return this.source.addon.finishCapture(native)
  }

  private pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds).unref()
      this.wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  /** Ends it, with what has come and was not taken. */
  private async leave(): Promise<void> {
    this.over = true
    this.signal?.removeEventListener('abort', this.abort)
    this.wake()
    await this.finish()
    if (this.native) this.source.addon.finishCapture(this.native)
    this.close()
  }

  private close(): void {
    this.over = true
    this.native = undefined
    this.signal?.removeEventListener('abort', this.abort)
    this.source.over()
  }
}

interface Checked extends Omit<NativeCaptureOptions, 'filter'> {
  readonly filter: string
  readonly duration: number | undefined
  readonly signal: AbortSignal | undefined
}

function checked(options: CaptureOptions, { addon, ports: known }: CaptureSource): Checked {
  checkOptions(options, ['filter', 'verdict', 'ports', 'snapLength', 'duration', 'limit', 'signal'], 'capture')
  const { filter = '', verdict, ports = [], snapLength = snapLengthMax, limit = Number.MAX_SAFE_INTEGER } = options
  if (typeof filter !== 'string') refuse('filter must be a text')
  const bit = verdict === undefined ? undefined : addon.verdicts.indexOf(verdict)
  if (bit === -1) refuse(`verdict must be one of ${addon.verdicts.join(', ')}`)
  if (!Array.isArray(ports)) refuse('ports must be a list of names')
  for (const name of ports as unknown[])
    if (typeof name !== 'string' || !known.has(name)) refuse(`ports: the mesh has no port ${quote(String(name))}`)
  if (!isWhole(snapLength, snapLengthMax)) refuse(`snapLength must be a whole number from 1 to ${snapLengthMax}`)
  if (!isWhole(limit, Number.MAX_SAFE_INTEGER)) refuse('limit must be a whole number from 1 on')
  const duration = options.duration === undefined ? undefined : parseDuration(options.duration)
  if (options.duration !== undefined && duration === undefined) refuse("duration must be a duration such as '10s'")
  const verdicts = bit === undefined ? 2 ** addon.verdicts.length - 1 : 2 ** bit
  return { filter, verdicts, ports, snapLength, limit, duration, signal: options.signal }
}

function isWhole(value: unknown, most: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= most
}

function refuse(message: string): never {
  throw new FlatProxyError('ERR_FLATPROXY_ARGUMENT', message)
}
