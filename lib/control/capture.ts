import type { PacketCapture } from '../api.js'

type Result = IteratorResult<Uint8Array, undefined>
const done: Result = { done: true, value: undefined }

/** What the server says with each part of a capture. */
interface Part {
  readonly bytes: string
  readonly packets: number
  readonly lost: number
}

/** A capture by the control socket. Whoever leaves it closes the connection, and the proxy captures no more. */
export class ControlCapture implements PacketCapture {
  packets = 0
  lost = 0
  private readonly left = new AbortController()
  private readonly parts: AsyncGenerator<unknown, void>

  /** @param ask begins the exchange, which ends when its signal is aborted */
  constructor(ask: (ended: AbortSignal) => AsyncGenerator<unknown, void>, signal?: AbortSignal) {
    this.parts = ask(AbortSignal.any(signal ? [signal, this.left.signal] : [this.left.signal]))
  }

  async next(): Promise<Result> {
    try {
      const part = await this.parts.next()
      if (part.done) return done
      const { bytes, packets, lost } = part.value as Part
      this.packets = packets
      this.lost = lost
      return { done: false, value: Buffer.from(bytes, 'base64') }
    } catch (error) {
      if (this.left.signal.aborted) return done
      throw error
    }
  }

  async return(): Promise<Result> {
    this.left.abort()
    await this.parts.return()
    return done
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
