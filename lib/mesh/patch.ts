import { adoptSteps } from './adopt.js'
import { limits } from './limits.js'
import { runSync, type Steps } from './steps.js'
import { isPlainObject, own, put } from './tree.js'

/**
 * Applies a merge patch (RFC 7396): objects are merged key by key, `null` removes a key, everything else replaces.
 * Pure: `target` is not changed, and every part that the patch leaves as it is, is shared with the result by identity
 * (the result is `target` itself when nothing changes).
 *
 * @param target frozen data, such as `proxy.mesh` or an earlier result
 */
export function mergePatch(target: unknown, patch: unknown): unknown {
  return runSync(mergeSteps(target, patch))
}

/** {@link mergePatch} in steps. */
export function* mergeSteps(target: unknown, patch: unknown, level = 0): Steps<unknown> {
  if (!isPlainObject(patch) || level > limits.depth) return yield* adoptSteps(patch, target, level)
  const before = isPlainObject(target) ? target : undefined
  const merged: Record<string, unknown> = { ...before }
  let same = before !== undefined
  for (const key of Object.keys(patch)) {
    const value = patch[key]
    if (value === undefined) continue
    if (value === null) {
      if (!Object.hasOwn(merged, key)) continue
      delete merged[key]
      same = false
    } else {
      const next = yield* mergeSteps(own(before, key), value, level + 1)
      if (before && Object.hasOwn(before, key) && next === before[key]) continue
      put(merged, key, next)
      same = false
    }
    yield
  }
  return same ? target : Object.freeze(merged)
}
