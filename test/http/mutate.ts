// Small random changes of messages, from a seed.

export class Dice {
  #state: number
  constructor(seed: number) {
    this.#state = (seed * 0x9e3779b1 + 1) >>> 0
  }
  /// From 0 to n - 1 (mulberry32).
  below(n: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let x = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
    return ((x ^ (x >>> 14)) >>> 0) % n
  }
  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!
  }
}

// What parsers stumble over.
const odd = ['\r', '\n', '\r\n', '\0', ' ', '\t', '\v', '\f', '\x7f', '\x80', '\xa0', '\xff', ':', ';', ',', '"', '\\']
const signs = ['=', '+', '-', '_', '0', '1', '5', 'a', 'x', '/', '#', '%', '@', '[', '?', '*', '.', 'chunked', '0x']
const lines = [
  'Content-Length: 5',
  'Content-Length: 0',
  'Content-Length: 5, 5',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: x',
  'Transfer-Encoding: gzip, chunked',
  'Host: b',
  'Connection: close',
  'Connection: keep-alive',
  'Connection: Upgrade',
  'Upgrade: h2c',
  'Upgrade: websocket',
  'Expect: 100-continue',
  'Trailer: X',
  'X: y',
  ' folded',
  '0',
  '5;a="b"',
  '',
  'GET /evil HTTP/1.1',
  'GET / HTTP/1.0',
  'HTTP/1.1 200 OK',
]

const splitLines = (text: string) => text.match(/[^\n]*\n|[^\n]+$/g) ?? []

const changes: ((text: string, dice: Dice, other: string) => string)[] = [
  // a byte is another one, is missing, or is one too many
  (text, dice) => replace(text, dice.below(text.length), 1, String.fromCharCode(dice.below(256))),
  (text, dice) => replace(text, dice.below(text.length), 1, dice.of(odd)),
  (text, dice) => replace(text, dice.below(text.length), 1, ''),
  (text, dice) => replace(text, dice.below(text.length), 0, dice.of(odd)),
  (text, dice) => replace(text, dice.below(text.length), 0, dice.of(signs)),
  // upper and lower case
  (text, dice) => {
    const at = dice.below(text.length)
    return replace(text, at, 1, String.fromCharCode(text.charCodeAt(at) ^ 0x20))
  },
  // a line is there twice, or is missing; a new one, or another message's
  (text, dice) => atLine(text, dice, (line) => line + line),
  (text, dice) => atLine(text, dice, () => ''),
  (text, dice) => atLine(text, dice, (line) => `${line}${dice.of(lines)}\r\n`),
  (text, dice) => atLine(text, dice, (line) => `${line}${dice.of(lines)}\r\n`),
  (text, dice, other) => atLine(text, dice, (line) => line + dice.of(splitLines(other))),
  // the front of one message and the back of another
  (text, dice, other) => text.slice(0, dice.below(text.length)) + other.slice(dice.below(other.length)),
  (text, dice, other) => atLine(text, dice, (line) => line + other),
]

const replace = (text: string, at: number, n: number, by: string) => text.slice(0, at) + by + text.slice(at + n)

function atLine(text: string, dice: Dice, change: (line: string) => string): string {
  const all = splitLines(text)
  const i = dice.below(all.length)
  all[i] = change(all[i]!)
  return all.join('')
}

/// One change, seldom more; neither text is empty.
export function mutate(text: string, dice: Dice, other: string): string {
  for (let more = true; more; more = dice.below(3) === 0) text = dice.of(changes)(text, dice, other) || other
  return text
}
