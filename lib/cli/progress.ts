/** A bar on a terminal's standard error. */
export interface Progress {
  /** @param done of the whole */
  show(done: number, text: string): void
  /** Takes it off the terminal. */
  clear(): void
}

const width = 30
const wipe = '\r\x1b[K'

/** `undefined` where nobody would see it. @param whole what `done` grows to; 0: not known */
export function bar(whole: number, stream: NodeJS.WriteStream = process.stderr): Progress | undefined {
  if (stream.isTTY !== true) return undefined
  return {
    show(done, text) {
      const share = whole > 0 ? Math.min(done / whole, 1) : 0
      const filled = '█'.repeat(Math.floor(share * width)).padEnd(width, '░')
      const shown = whole > 0 ? `${filled} ${String(Math.floor(share * 100)).padStart(3)} %  ${text}` : text
      stream.write(`${wipe}${shown.slice(0, (stream.columns ?? 80) - 1)}`)
    },
    clear: () => void stream.write(wipe),
  }
}
