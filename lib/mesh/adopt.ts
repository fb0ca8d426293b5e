import { limits } from './limits.js'
import { runSliced, type SliceOptions, type Steps } from './steps.js'
import { isPlainObject, own, put, type Tree } from './tree.js'
import type { Mesh } from './types.js'

/** Below this level values are small (an endpoint, a rule) and are copied in one step. */
const steppedLevels = 4

/**
 * A frozen copy of plain data that shares every part that equals the same part of `before`, by identity: what is
 * unchanged can then be told by `===`, and nobody can change it. What is not plain data is kept as it is, for the
 * check to refuse. Keys whose value is `undefined` are left out, as JSON does.
 *
 * @param before an earlier result
 */
export function* adoptSteps(value: unknown, before?: unknown, level = 0): Steps<unknown> {
  if (level >= steppedLevels) return adopt(value, before, level)
  if (Array.isArray(value)) {
    const copy = new ListCopy(value, before)
    for (const [index, item] of value.entries()) {
      let next = yield* adoptSteps(item, copy.counterpart(index), level + 1)
      if (copy.shifts(index, next)) next = yield* adoptSteps(item, copy.counterpart(index), level + 1)
      copy.add(next)
      if (index % 64 === 63) yield
    }
    return copy.finish()
  }
  if (isPlainObject(value) && value !== before) {
    const copy = new ObjectCopy(before)
    for (const key of Object.keys(value)) {
      copy.add(key, yield* adoptSteps(value[key], copy.counterpart(key), level + 1))
      yield
    }
    return copy.finish()
  }
  return value
}

function adopt(value: unknown, before: unknown, level: number): unknown {
  if (typeof value !== 'object' || value === null || level > limits.depth) return value
  if (equal(value, before, level)) return before
  if (Array.isArray(value)) {
    const copy = new ListCopy(value, before)
    for (const [index, item] of value.entries()) {
      let next = adopt(item, copy.counterpart(index), level + 1)
      if (copy.shifts(index, next)) next = adopt(item, copy.counterpart(index), level + 1)
      copy.add(next)
    }
    return copy.finish()
  }
  if (!isPlainObject(value)) return value
  const copy = new ObjectCopy(before)
  for (const key of Object.keys(value)) copy.add(key, adopt(value[key], copy.counterpart(key), level + 1))
  return copy.finish()
}

/** Whether two values of plain data are the same; quicker than making a copy that is not needed. */
function equal(a: unknown, b: unknown, level: number): boolean {
  if (a === b) return true
  if (level > limits.depth) return false
  if (Array.isArray(a))
    return Array.isArray(b) && a.length === b.length && a.every((item, index) => equal(item, b[index], level + 1))
  if (!isPlainObject(a) || !isPlainObject(b)) return false
  let keys = 0
  for (const key in a) {
    if (a[key] === undefined) continue
    if (!equal(a[key], b[key], level + 1)) return false
    keys++
  }
  return keys === Object.keys(b).length
}

/** Builds a list's copy. Behind the first difference items are compared with those of the same distance from the end. */
class ListCopy {
  private readonly items: unknown[] = []
  private readonly before: readonly unknown[] | undefined
  private readonly shift: number
  private shifted = false
  private same: boolean

  constructor(value: readonly unknown[], before: unknown) {
    this.before = Array.isArray(before) ? before : undefined
    this.shift = this.before ? this.before.length - value.length : 0
    this.same = this.before !== undefined && this.shift === 0
  }

  counterpart(index: number): unknown {
    return this.before?.[this.shifted ? index + this.shift : index]
  }

  /** True once: items were added or removed here, and the item is to be compared with another one. */
  shifts(index: number, next: unknown): boolean {
    if (this.shifted || this.shift === 0 || !this.before || next === this.before[index]) return false
    return (this.shifted = true)
  }

  add(next: unknown): void {
    if (this.same && next !== this.before![this.items.length]) this.same = false
    this.items.push(next)
  }

  finish(): unknown {
    return this.same ? this.before : Object.freeze(this.items)
  }
}

/** Builds an object's copy. */
class ObjectCopy {
  private readonly copy: Record<string, unknown> = {}
  private readonly before: Tree | undefined
  private keys = 0
  private same: boolean

  constructor(before: unknown) {
    this.before = isPlainObject(before) ? before : undefined
    this.same = this.before !== undefined
  }

  counterpart(key: string): unknown {
    return own(this.before, key)
  }

  add(key: string, next: unknown): void {
    if (next === undefined) return
    if (this.same && next !== own(this.before, key)) this.same = false
    put(this.copy, key, next)
    this.keys++
  }

  finish(): unknown {
    const same = this.same && Object.keys(this.before!).length === this.keys
    return same ? this.before : Object.freeze(this.copy)
  }
}

/**
 * A mesh as the library holds it: a frozen copy, which shares every part that equals the same part of `previous`. What
 * changed can then be told by identity, and whoever gave the mesh may go on changing their own.
 */
export async function adoptMesh(value: unknown, previous?: Mesh, options?: SliceOptions): Promise<Mesh> {
  return (await runSliced(adoptSteps(value, previous), options)) as Mesh
}
