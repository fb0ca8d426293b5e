/** Colours for terminals; plain text for everything else, and where NO_COLOR asks for it (no-color.org). */
const styles = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36 } as const

export type Style = keyof typeof styles
export type Paint = { readonly [_ in Style]: (text: string) => string } & { readonly on: boolean }

export function painter(stream: NodeJS.WriteStream): Paint {
  const on = stream.isTTY === true && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb'
  const style = (code: number) => (text: string) => (on ? `\x1b[${code}m${text}\x1b[0m` : text)
  const paints = Object.fromEntries(Object.entries(styles).map(([name, code]) => [name, style(code)]))
  return { ...paints, on } as Paint
}

/** The width of a text on a terminal, its colours left out. */
export function widthOf(text: string): number {
  // eslint-disable-next-line no-control-regex
  return [...text.replace(/\x1b\[[0-9;]*m/g, '')].length
}
