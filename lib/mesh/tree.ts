/** Plain data as it is walked: an object or list whose values are not known yet. */
export type Tree = Readonly<Record<string, unknown>>

/** Whether a value is an object of plain data: neither a list nor an instance of a class. */
export function isPlainObject(value: unknown): value is Tree {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype || isForeignObjectPrototype(prototype)
}

// Object.prototype of another realm (a test runner's vm context, a worker's structured clone).
function isForeignObjectPrototype(prototype: unknown): boolean {
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype as object, 'isPrototypeOf')
}

/** The object's own value at a key: never one that it inherits. */
export function own<T>(object: { readonly [_: string]: T } | undefined, key: string): T | undefined {
  return object !== undefined && Object.hasOwn(object, key) ? object[key] : undefined
}

/** Sets a key of an object that is being built; a key `__proto__` is data like any other. */
export function put(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
  else object[key] = value
}

/**
 * Whether item `index` of a list is, by identity, the one that stood there in `before`, or the one that stood as far from
 * the end: what a list keeps when items are added or removed in one place.
 */
export function kept(list: readonly unknown[], before: readonly unknown[] | undefined, index: number): boolean {
  if (before === undefined) return false
  return list[index] === before[index] || list[index] === before[index + before.length - list.length]
}
