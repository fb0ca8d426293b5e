/** Numbers in ascending order. */
export const sorted = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b)

/** The value below or at which a share of all lies, interpolated; NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const order = sorted(values)
  const place = share * (order.length - 1)
  const low = order[Math.floor(place)]
  const high = order[Math.ceil(place)]
  return low === undefined || high === undefined ? NaN : low + (high - low) * (place - Math.floor(place))
}

export const median = (values: readonly number[]): number => quantile(values, 0.5)

/** How far the mean of so many values may lie from the truth: s/√n. NaN of fewer than two. */
export function standardError(values: readonly number[]): number {
  const count = values.length
  const mean = values.reduce((sum, value) => sum + value, 0) / count
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return Math.sqrt(squares / (count - 1) / count)
}

/** An estimate with the interval that holds the truth in 95 of 100 runs. */
export interface Interval {
  readonly value: number
  readonly low: number
  readonly high: number
}

/** mulberry32: the same seed gives the same interval of the same figures. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

function gaussian(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

/** 97.5 % quantiles of Student's t by degrees of freedom from 1; beyond the last the normal's is near enough. */
const studentT = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086,
]
const normal = 1.96

const resamples = 4000

/**
 * How `values` stand to `reference`, measured in the same rounds: the geometric mean of the rounds' ratios, and its
 * interval by bootstrap over the rounds. A round is a pair, so what slows the machine for both is no difference.
 *
 * With a handful of rounds the plain percentile bootstrap is far too sure of itself: it never leaves the range of what
 * was seen, and knows nothing of the degrees of freedom. So it is smoothed (to each resampled round normal noise of
 * s/√n is added, which restores the variance that resampling loses) and its quantiles are stretched from the normal's
 * to Student's t of n - 1 degrees (Hesterberg, "What Teachers Should Know about the Bootstrap", 2015, sections 5.2, 5.3).
 *
 * @returns undefined with fewer than two common rounds
 */
export function ratioOf(values: readonly number[], reference: readonly number[], seed = 1): Interval | undefined {
  const interval = meanOf(logRatios(values, reference), seed)
  return interval && { value: Math.exp(interval.value), low: Math.exp(interval.low), high: Math.exp(interval.high) }
}

/** The logarithms of the ratios of the rounds that both have. */
export function logRatios(values: readonly number[], reference: readonly number[]): number[] {
  return values.flatMap((value, round) => {
    const other = reference[round]
    return other !== undefined && value > 0 && other > 0 ? [Math.log(value / other)] : []
  })
}

/** The mean, with its interval by the bootstrap that {@link ratioOf} describes; undefined of fewer than two values. */
export function meanOf(values: readonly number[], seed = 1): Interval | undefined {
  const count = values.length
  if (count < 2) return undefined
  const mean = values.reduce((sum, value) => sum + value, 0) / count
  const noise = standardError(values)
  const random = randomFrom(seed)
  const means: number[] = []
  for (let resample = 0; resample < resamples; resample++) {
    let sum = 0
    for (let draw = 0; draw < count; draw++) sum += values[Math.floor(random() * count)]! + noise * gaussian(random)
    means.push(sum / count)
  }
  const stretch = (studentT[count - 2] ?? normal) / normal
  return {
    value: mean,
    low: mean + (quantile(means, 0.025) - mean) * stretch,
    high: mean + (quantile(means, 0.975) - mean) * stretch,
  }
}

/**
 * How the rounds of one run stand to those of another, which were not measured in pairs: the ratio of the geometric
 * means, by the bootstrap that {@link ratioOf} describes. Undefined with fewer than two rounds in either.
 */
export function ratioOfRuns(now: readonly number[], before: readonly number[], seed = 1): Interval | undefined {
  const logs = (values: readonly number[]) => values.filter((value) => value > 0).map(Math.log)
  const [a, b] = [meanOf(logs(now), seed), meanOf(logs(before), seed + 1)]
  if (!a || !b) return undefined
  // Independent errors add as squares.
  const value = a.value - b.value
  const below = Math.hypot(a.value - a.low, b.high - b.value)
  const above = Math.hypot(a.high - a.value, b.value - b.low)
  return { value: Math.exp(value), low: Math.exp(value - below), high: Math.exp(value + above) }
}
