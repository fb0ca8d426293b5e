/** A load is one of these times a power of ten: two runs of the same machine find the same one. */
const steps = [1, 1.5, 2, 3, 5, 7]

/** The share of what the slowest peer can do at most that all are asked for. */
const share = 0.5

/** The open-loop load that every peer of a case sustains, requests a second, out of what each can do at most. */
export function loadOf(saturated: readonly number[]): number | undefined {
  const least = Math.min(...saturated) * share
  if (!(least > 0) || !Number.isFinite(least)) return undefined
  const power = 10 ** Math.floor(Math.log10(least))
  const step = steps.findLast((each) => each * power <= least * (1 + 1e-9)) ?? 1
  return Number((step * power).toPrecision(2))
}
