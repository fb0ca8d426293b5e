import type { WideMesh } from './schema/mesh.js'
import { isPlainObject, kept } from './tree.js'

/** The parts of a mesh that are objects from names, with what their entries are. */
type Sections = {
  ports: WideMesh['ports']
  workloads: NonNullable<WideMesh['workloads']>
  services: NonNullable<WideMesh['services']>
  listeners: NonNullable<WideMesh['listeners']>
}
/** The parts of a mesh that are lists. */
type Lists = {
  forward: NonNullable<WideMesh['forward']>
  routes: NonNullable<WideMesh['routes']>
  policies: NonNullable<WideMesh['policies']>
}

/**
 * A mesh as the rules see it: only what the schema has found sound, so that no rule has to look at types, and nothing is
 * told twice. `before` is an earlier mesh without problems: what is, by identity, the same need not be looked at again.
 */
export class MeshView {
  private readonly mesh: Partial<WideMesh>
  private readonly keySets = new Map<string, ReadonlySet<string>>()

  constructor(
    mesh: unknown,
    private readonly unsound: ReadonlySet<object>,
    readonly before: WideMesh | undefined,
  ) {
    this.mesh = isPlainObject(mesh) ? mesh : {}
  }

  /** The names in a section, sound or not. */
  names(section: keyof Sections): ReadonlySet<string> {
    let names = this.keySets.get(section)
    if (!names) {
      names = new Set(Object.keys(this.section(section) ?? {}))
      this.keySets.set(section, names)
    }
    return names
  }

  /** Whether a section has a name, sound or not. */
  has(section: keyof Sections, name: string): boolean {
    const entries = this.section(section)
    return entries !== undefined && Object.hasOwn(entries, name)
  }

  /** Whether parts of the mesh are, by identity, as they were in `before`. */
  unchanged(...parts: (keyof WideMesh)[]): boolean {
    const { before, mesh } = this
    return before !== undefined && parts.every((part) => mesh[part] === before[part])
  }

  /** Whether a section has the names that it had in `before`. */
  sameNames(section: keyof Sections): boolean {
    if (this.unchanged(section)) return true
    const before = this.before?.[section]
    const names = this.names(section)
    if (!before) return false
    const old = Object.keys(before)
    return old.length === names.size && old.every((name) => names.has(name))
  }

  /** A section, if it is an object at all; its entries may be unsound. */
  section<S extends keyof Sections>(section: S): Sections[S] | undefined {
    const entries: unknown = this.mesh[section]
    return isPlainObject(entries) ? (entries as Sections[S]) : undefined
  }

  /** The sound entries of a section. */
  *entries<S extends keyof Sections>(section: S): Generator<[string, Sections[S][string]]> {
    const entries: Readonly<Record<string, unknown>> = this.section(section) ?? {}
    for (const name of Object.keys(entries)) {
      const entry = entries[name]
      if (this.sound(entry)) yield [name, entry as Sections[S][string]]
    }
  }

  /** The sound items of a list, with their indices. */
  *items<L extends keyof Lists>(part: L): Generator<[number, Lists[L][number]]> {
    const list: unknown = this.mesh[part]
    if (!Array.isArray(list)) return
    for (const [index, item] of list.entries()) if (this.sound(item)) yield [index, item as Lists[L][number]]
  }

  /** How many items a list has, sound or not. */
  count(part: keyof Lists): number {
    const list: unknown = this.mesh[part]
    return Array.isArray(list) ? list.length : 0
  }

  /** Whether an item of a list is, by identity, in the same place in `before`. */
  kept(part: keyof Lists, index: number): boolean {
    return kept(this.mesh[part] ?? [], this.before?.[part], index)
  }

  /** Whether a value is an object, and nothing is wrong with what it holds directly. */
  sound(value: unknown): boolean {
    return isPlainObject(value) && !this.unsound.has(value)
  }
}

/** One value or a list, as a list. */
export function listOf<T>(value: T | readonly T[] | undefined): readonly T[] {
  if (value === undefined) return []
  return Array.isArray(value) ? (value as readonly T[]) : [value as T]
}
