import { show } from './names.js'
import { runSync, type Steps } from './steps.js'
import { isPlainObject, own, type Tree } from './tree.js'
import type { Mesh } from './types.js'

/** One difference between two meshes. */
export interface Change {
  /** Where: `services.shop.endpoints[10.0.0.1:8080].weight`; items of lists by what they are, not by where they stand. */
  path: string
  kind: 'added' | 'removed' | 'changed'
  /** The change in words. */
  toString(): string
}

/**
 * What changed from `a` to `b`. Endpoints are told by workload or address, and port; routes and policies by name; L3
 * routes by prefix; backends by their service, filters by their type; rules and matches by their index. Something added or removed whole is one change.
 */
export function diff(a: Mesh, b: Mesh): readonly Change[] {
  return runSync(diffSteps(a, b))
}

/** {@link diff} in steps; parts that are the same by identity cost nothing. */
export function* diffSteps(a: Mesh | undefined, b: Mesh): Steps<Change[]> {
  const changes: Change[] = []
  yield* compareObjects('', (a ?? {}) as Tree, b as unknown as Tree, changes)
  return changes
}

class Difference implements Change {
  constructor(
    readonly path: string,
    readonly kind: Change['kind'],
    private readonly detail: () => string,
  ) {}

  toString(): string {
    return `${this.path} ${this.kind}${this.detail()}`
  }
}

function difference(path: string, from: unknown, to: unknown): Change {
  if (from !== undefined && to !== undefined)
    return new Difference(path, 'changed', () => ` from ${inWords(from)} to ${inWords(to)}`)
  const value = from ?? to
  const detail = () => (typeof value === 'object' ? '' : ` (${inWords(value)})`)
  return new Difference(path, from === undefined ? 'added' : 'removed', detail)
}

function* compare(path: string, a: unknown, b: unknown, changes: Change[]): Steps<void> {
  if (a === b) return
  if (a === undefined || b === undefined) changes.push(difference(path, a, b))
  else if (isPlainObject(a) && isPlainObject(b)) yield* compareObjects(path, a, b, changes)
  else if (isListOfObjects(a) && isListOfObjects(b)) yield* compareLists(path, a, b, changes)
  else if (JSON.stringify(a) !== JSON.stringify(b)) changes.push(difference(path, a, b))
}

function* compareObjects(path: string, a: Tree, b: Tree, changes: Change[]): Steps<void> {
  let count = 0
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    if (++count % 64 === 0) yield
    const [from, to] = [own(a, key), own(b, key)]
    if (from !== to) yield* compare(path === '' ? key : `${path}.${key}`, from, to, changes)
  }
}

/** Lists of objects are compared by the objects' identities; an order that alone changed is one change of the list. */
function* compareLists(path: string, a: readonly Tree[], b: readonly Tree[], changes: Change[]): Steps<void> {
  const [first, last] = kernel(a, b)
  const before = yield* byIdentity(a, first, a.length - last)
  const after = yield* byIdentity(b, first, b.length - last)
  const found = changes.length
  let count = 0
  for (const [key, from] of before) {
    if (++count % 64 === 0) yield
    yield* compare(`${path}[${key}]`, from, after.get(key), changes)
  }
  for (const [key, to] of after) {
    if (++count % 64 === 0) yield
    if (!before.has(key)) yield* compare(`${path}[${key}]`, undefined, to, changes)
  }
  const moved = [...before.keys()].join('\n') !== [...after.keys()].join('\n')
  if (moved && changes.length === found) changes.push(new Difference(path, 'changed', () => ': the order alone'))
}

/** How many items, by identity, two lists have in common at their beginning, and at their end. */
function kernel(a: readonly Tree[], b: readonly Tree[]): [first: number, last: number] {
  const shorter = Math.min(a.length, b.length)
  let first = 0
  while (first < shorter && a[first] === b[first]) first++
  let last = 0
  while (last < shorter - first && a[a.length - 1 - last] === b[b.length - 1 - last]) last++
  return [first, last]
}

function* byIdentity(list: readonly Tree[], from: number, to: number): Steps<Map<string, Tree>> {
  const items = new Map<string, Tree>()
  for (let index = from; index < to; index++) {
    if (index % 256 === 255) yield
    const item = list[index]!
    const key = identityOf(item) ?? String(index)
    items.set(items.has(key) ? `${key}#${index}` : key, item)
  }
  return items
}

/** What an item of a list is called: a route or policy, an endpoint, an L3 route, a backend of a rule, a filter. */
function identityOf(item: Tree): string | undefined {
  const { name, workload, address, port, to, service, handler, type } = item
  if (typeof name === 'string') return name
  const who = typeof workload === 'string' ? workload : address
  if (typeof who === 'string' && typeof port === 'number')
    return who.includes(':') ? `[${who}]:${port}` : `${who}:${port}`
  return [to, service, handler, type].find((key) => typeof key === 'string')
}

function isListOfObjects(value: unknown): value is readonly Tree[] {
  return Array.isArray(value) && (value.length === 0 || isPlainObject(value[0]))
}

function inWords(value: unknown): string {
  if (Array.isArray(value) && value.length <= 8 && !value.some((item) => typeof item === 'object'))
    return value.map(show).join(', ')
  return show(value)
}
