import { setTimeout as sleep } from 'node:timers/promises'
import { painter } from '../paint.js'

export const paint = painter(process.stdout)

export function say(...lines: readonly string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`)
}

let scenes = 0

/** The head of the next scene. */
export function scene(title: string, text: string): void {
  say('', `${paint.bold(paint.blue(` ${++scenes}  ${title}`))}  ${text}`)
}

/** Something that was to be shown: it was, or it was not. */
export function verdict(ok: boolean, text: string): void {
  say(`     ${ok ? paint.green('✓') : paint.red('✗')} ${text}`)
}

/** Shows lines that change for some time; what is not a terminal is shown only how they end. */
export async function live(milliseconds: number, lines: () => readonly string[], signal: AbortSignal): Promise<void> {
  const frame = 100
  let shown = 0
  for (let left = milliseconds; left > 0; left -= frame) {
    await sleep(Math.min(frame, left), undefined, { signal })
    if (paint.on) shown = redraw(lines(), shown)
  }
  if (!paint.on) say(...lines())
}

function redraw(lines: readonly string[], before: number): number {
  const up = before > 0 ? `\x1b[${before}A` : ''
  process.stdout.write(`${up}${lines.map((line) => `\x1b[2K${line}\n`).join('')}`)
  return lines.length
}
