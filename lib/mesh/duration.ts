/** A time span: milliseconds, or a number with its unit: `'250ms'`, `'1.5s'`, `'2m'`, `'1h'`. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h'}`

const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const

/** The texts that {@link parseDuration} reads, as a pattern for JSON Schema. */
export const durationPattern = '^(0|[1-9][0-9]*)(\\.[0-9]+)?(ms|s|m|h)$'
const durationText = new RegExp(durationPattern)

/** Whole milliseconds of a duration (rounded), or `undefined` when it is none. Never negative, always finite. */
export function parseDuration(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0 ? Math.round(value) : undefined
  if (typeof value !== 'string' || value.length > 32 || !durationText.test(value)) return undefined
  const unit = /[a-z]+$/.exec(value)![0] as keyof typeof units
  const milliseconds = Math.round(Number(value.slice(0, -unit.length)) * units[unit])
  return Number.isFinite(milliseconds) ? milliseconds : undefined
}

/** Text of a number of milliseconds in the largest unit that keeps it whole. */
export function formatDuration(milliseconds: number): Duration {
  for (const unit of ['h', 'm', 's'] as const)
    if (milliseconds !== 0 && milliseconds % units[unit] === 0) return `${milliseconds / units[unit]}${unit}`
  return `${milliseconds}ms`
}
