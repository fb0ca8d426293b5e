import { setImmediate as pause } from 'node:timers/promises'

/** Work in steps: it yields where it may be interrupted, after no more than some hundred small operations. */
export type Steps<T> = Generator<void, T, void>

/** Milliseconds that a slice of work may hold the event loop. */
export const sliceMilliseconds = 4

/** How {@link runSliced} runs. */
export interface SliceOptions {
  /** Stops the work: it rejects with the signal's reason. */
  signal?: AbortSignal | undefined
  /** The clock, in milliseconds. Default: `performance.now`. */
  now?: () => number
  /** Lets the event loop turn. Default: `setImmediate`. */
  rest?: () => Promise<unknown>
}

/** Does all the work at once. */
export function runSync<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
  }
}

/** Does the work in slices of {@link sliceMilliseconds}; between them the event loop turns. */
export async function runSliced<T>(steps: Steps<T>, options: SliceOptions = {}): Promise<T> {
  const { signal, now = () => performance.now(), rest = () => pause() } = options
  try {
    for (;;) {
      signal?.throwIfAborted()
      const end = now() + sliceMilliseconds
      do {
        const step = steps.next()
        if (step.done) return step.value
      } while (now() < end)
      await rest()
    }
  } finally {
    steps.return(undefined as T)
  }
}
