import { widthOf } from './paint.js'

/** A column: its head, and the side on which its cells stand; numbers stand on the right. */
export interface Column<Row> {
  head: string
  cell: (row: Row) => string
  right?: boolean
}

/** Rows in aligned columns under their heads. A column without any content is left out. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string[] {
  const cells = columns.map(({ cell }) => rows.map(cell))
  const shown = columns.flatMap((column, index) =>
    cells[index]!.some(Boolean) ? [{ ...column, cells: cells[index]! }] : [],
  )
  const widths = shown.map(({ head, cells }) => Math.max(...[head, ...cells].map(widthOf)))
  const line = (texts: readonly string[]) =>
    texts
      .map((text, index) => {
        const blank = ' '.repeat(widths[index]! - widthOf(text))
        return shown[index]!.right ? blank + text : text + blank
      })
      .join('  ')
      .trimEnd()
  return [line(shown.map(({ head }) => head)), ...rows.map((_, row) => line(shown.map(({ cells }) => cells[row]!)))]
}

const thousands = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })

/** A count, with its thousands apart. */
export function count(value: number): string {
  return thousands.format(value)
}

/** Bytes in the largest unit of 1024 that leaves a number above 1. */
export function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  const power = value < 1 ? 0 : Math.min(Math.floor(Math.log2(value) / 10), units.length - 1)
  const amount = value / 1024 ** power
  return `${power === 0 ? amount : amount.toFixed(1)} ${units[power]}`
}

/** A time span in two units at most: `3m12s`. */
export function age(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000))
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${seconds % 60}s`
  return `${Math.floor(seconds / 3600)}h${Math.floor((seconds % 3600) / 60)}m`
}

/** Milliseconds, with three significant digits: `0.312 ms`, `1.25 s`. */
export function milliseconds(value: number): string {
  return value < 1_000 ? `${Number(value.toPrecision(3))} ms` : `${Number((value / 1_000).toPrecision(3))} s`
}

/** A share of 1 in per cent. */
export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}
