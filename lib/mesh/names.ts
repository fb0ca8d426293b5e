/** Names that a hint is looked for in; more of them would hold the event loop. */
const candidates = 512

/** The name among `known` that was most likely meant by `wrong`, if any is near: at most two edits, or a third of it. */
export function didYouMean(wrong: string, known: Iterable<string>): string | undefined {
  if (wrong.length > 64) return undefined
  let best: string | undefined
  let bestDistance = Math.min(2, Math.ceil(wrong.length / 3)) + 1
  let tried = 0
  for (const candidate of known) {
    if (++tried > candidates) break
    if (Math.abs(candidate.length - wrong.length) >= bestDistance) continue
    const distance = edits(wrong.toLowerCase(), candidate.toLowerCase())
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance]
  }
  return best
}

/** `did you mean 'x'?`, or `undefined`. */
export function meant(wrong: string, known: Iterable<string>): string | undefined {
  const name = didYouMean(wrong, known)
  return name === undefined ? undefined : `did you mean ${quote(name)}?`
}

/** Up to eight names, for "expected one of". */
export function listNames(names: readonly string[]): string {
  if (names.length === 0) return 'none'
  const shown = names.slice(0, 8).map(quote).join(', ')
  return names.length > 8 ? `${shown} and ${names.length - 8} more` : shown
}

/** A value as it is shown in a message, cut to a readable length. */
export function show(value: unknown): string {
  if (typeof value === 'string') return quote(value)
  if (value === null || typeof value !== 'object') return typeof value === 'function' ? 'a function' : String(value)
  return Array.isArray(value) ? 'a list' : 'an object'
}

/** Text in single quotes, cut to 64 characters. */
export function quote(text: string): string {
  return `'${text.length > 64 ? `${text.slice(0, 63)}…` : text}'`
}

/** Edits (insert, remove, replace, swap neighbours) between two short words: optimal string alignment. */
function edits(a: string, b: string): number {
  let before: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      let cost = Math.min(row[j - 1]! + 1, last[j]! + 1, last[j - 1]! + same)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, before[j - 2]! + 1)
      row.push(cost)
    }
    before = last
    last = row
  }
  return last[b.length]!
}
