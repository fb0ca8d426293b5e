import type { MemoryPort } from '../api.js'

/** How a memory port reaches its engine. */
export interface MemoryAccess {
  send(frames: readonly Uint8Array[]): number
  /** A bounded batch; empty: {@link EnginePort.wake} will be called. */
  take(): Uint8Array[]
}

/**
 * The process's end of a memory port. Frames that nobody takes stay in the port's queue, and when that is full, end as
 * `port_queue_full`. Several iterations share what comes.
 */
export class EnginePort implements MemoryPort {
  private waiting: (() => void)[] = []
  private ended = false

  constructor(private readonly access: MemoryAccess) {}

  send(frames: readonly Uint8Array[]): number {
    return this.access.send(frames)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array[], void> {
    while (!this.ended) {
      const frames = this.access.take()
      if (frames.length > 0) yield frames
      else await new Promise<void>((resolve) => this.waiting.push(resolve))
    }
  }

  /** There is something to take. */
  wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve()
  }

  /** The port is gone: iterations end. */
  end(): void {
    this.ended = true
    this.wake()
  }
}
