// The figures' statistics: on data whose truth is known.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { median, meanOf, quantile, randomFrom, ratioOf, ratioOfRuns, standardError } from '#lib/bench/statistics.js'

/** Rounds of a peer: `level`, with the machine's mood that all peers of a round share, and noise of its own. */
function roundsOf(seed: number, count: number, level: number, noise: number): { a: number[]; b: number[] } {
  const random = randomFrom(seed)
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  const pairs = Array.from({ length: count }, () => {
    const mood = Math.exp(0.2 * normal())
    return [mood * level * Math.exp(noise * normal()), mood * Math.exp(noise * normal())] as const
  })
  return { a: pairs.map(([a]) => a), b: pairs.map(([, b]) => b) }
}

/** In how many of 400 runs the interval of the ratio has what is asked. */
function share(count: number, level: number, holds: (interval: { low: number; high: number }) => boolean): number {
  let hits = 0
  for (let seed = 0; seed < 400; seed++) {
    const { a, b } = roundsOf(seed, count, level, 0.01)
    if (holds(ratioOf(a, b)!)) hits++
  }
  return hits / 400
}

describe('median, quantile and spread', () => {
  it('are those of the order', () => {
    assert.equal(median([5, 1, 3]), 3)
    assert.equal(median([4, 1, 3, 2]), 2.5)
    assert.equal(quantile([0, 10], 0.25), 2.5)
    assert.ok(Number.isNaN(median([])))
  })

  it('tell how far a mean may lie from the truth', () => {
    assert.equal(standardError([1, 3]), 1)
    assert.ok(Math.abs(standardError([1, 3, 1, 3, 1, 3, 1, 3]) - Math.sqrt(8 / 7 / 8)) < 1e-12)
    assert.ok(Number.isNaN(standardError([1])))
  })
})

describe('the interval of a ratio', () => {
  for (const rounds of [3, 5, 9])
    it(`holds the truth in about 95 of 100 runs of ${rounds} rounds`, () => {
      const held = share(rounds, 1, ({ low, high }) => low <= 1 && high >= 1)
      assert.ok(held > 0.92 && held < 0.985, `${held}`)
    })

  it('finds a difference of 5 %, in spite of moods of 20 %', () => {
    assert.ok(share(5, 0.95, ({ high }) => high < 1) > 0.9)
    assert.ok(share(5, 0.95, ({ low, high }) => low <= 0.95 && high >= 0.95) > 0.92)
  })

  it('is the same for the same figures', () => {
    const { a, b } = roundsOf(1, 5, 1, 0.1)
    assert.deepEqual(ratioOf(a, b), ratioOf(a, b))
  })

  it('pairs round with round, and skips what has no pair', () => {
    const interval = ratioOf([2, NaN, 6, 8], [1, 2, 3])!
    assert.ok(Math.abs(interval.value - 2) < 1e-12)
    assert.ok(Math.abs(interval.high - interval.low) < 1e-9)
  })

  it('is not claimed of a single round', () => {
    assert.equal(ratioOf([1], [2]), undefined)
    assert.equal(meanOf([]), undefined)
    assert.equal(ratioOfRuns([1, 2], [1]), undefined)
  })

  it('of two runs is wider than of pairs that share the mood', () => {
    const { a, b } = roundsOf(7, 5, 1, 0.01)
    const width = (interval: { low: number; high: number }) => Math.log(interval.high / interval.low)
    assert.ok(width(ratioOfRuns(a, b)!) > 2 * width(ratioOf(a, b)!))
  })
})
