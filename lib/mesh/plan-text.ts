import type { Steps } from './steps.js'

/** Characters that are gathered before they are encoded. */
const chunkLength = 64 * 1024

/** Gathers JSON text, and encodes it in pieces. */
export class PlanText {
  private readonly chunks: Uint8Array[] = []
  private readonly encoder = new TextEncoder()
  private text = ''

  add(text: string): void {
    this.text += text
    if (this.text.length >= chunkLength) this.flush()
  }

  /** Adds text that is encoded already. */
  addEncoded(bytes: Uint8Array): void {
    this.flush()
    this.chunks.push(bytes)
  }

  /** Adds a list of values. */
  *list(items: Iterable<unknown>): Steps<void> {
    let separator = '['
    let count = 0
    for (const item of items) {
      this.add(separator + JSON.stringify(item))
      separator = ','
      if (++count % 64 === 0) yield
    }
    this.add(separator === '[' ? '[]' : ']')
  }

  finish(): readonly Uint8Array[] {
    this.flush()
    return this.chunks
  }

  private flush(): void {
    if (this.text !== '') this.chunks.push(this.encoder.encode(this.text))
    this.text = ''
  }
}
