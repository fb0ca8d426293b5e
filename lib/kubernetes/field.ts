import type { Path } from '../mesh/problem.js'
import { isPlainObject, own } from '../mesh/tree.js'

/** The object that a field is of, as it stands in a file. */
export interface Origin {
  /** Takes note of a value of which a mesh cannot say what it says, and why. */
  tell(path: Path, why: string): void
  /** The file and the line of a value. */
  place(path: Path): { readonly file: string; readonly line: number }
}

/**
 * A value of a Kubernetes object, and where it stands. It knows which of its parts were read: what nobody has read, nobody
 * has understood, and {@link unread} tells it.
 */
export class Field {
  private readonly children = new Map<string | number, Field>()
  private done = false
  private refused = false

  constructor(
    readonly value: unknown,
    private readonly path: Path,
    private readonly origin: Origin,
  ) {}

  /** Its file and line. */
  get place(): { readonly file: string; readonly line: number } {
    return this.origin.place(this.path)
  }

  /** Tells, once, that a mesh cannot say this; its parts are not told any more. */
  refuse(why: string): void {
    if (!this.refused) this.origin.tell(this.path, why)
    this.refused = this.done = true
  }

  /** These members mean nothing to a mesh. */
  ignore(...keys: string[]): void {
    for (const key of keys) {
      const child = this.get(key)
      if (child) child.done = true
    }
  }

  /** A member; `undefined`: there is none, or it is null, which means the same in Kubernetes. */
  get(key: string): Field | undefined {
    if (!isPlainObject(this.value)) {
      this.refuse('an object is expected here')
      return undefined
    }
    const value = own(this.value, key)
    return value === undefined || value === null ? undefined : this.child(key, value)
  }

  /** A member that has to be there; what lacks it is refused. */
  must(key: string): Field | undefined {
    const field = this.get(key)
    if (field === undefined) this.refuse(`${key} is missing`)
    return field
  }

  /** The items of a list; none when there is no list. */
  list(key: string): Field[] {
    const field = this.get(key)
    if (field === undefined) return []
    if (!Array.isArray(field.value)) {
      field.refuse('a list is expected here')
      return []
    }
    return field.value.flatMap((value: unknown, index) => {
      const item = field.child(index, value)
      if (value !== null) return item
      item.refuse('nothing stands here')
      return []
    })
  }

  text(key: string): string | undefined {
    return this.scalar(key, 'string', 'a text') as string | undefined
  }

  number(key: string): number | undefined {
    return this.scalar(key, 'number', 'a number') as number | undefined
  }

  flag(key: string): boolean | undefined {
    return this.scalar(key, 'boolean', 'true or false') as boolean | undefined
  }

  /** A text that has to be there; what lacks it is refused. */
  need(key: string): string | undefined {
    return this.must(key) && this.text(key)
  }

  /** The texts of a list. */
  texts(key: string): string[] {
    return this.list(key).flatMap((item) => {
      if (typeof item.value === 'string') return item.value
      item.refuse('a text is expected here')
      return []
    })
  }

  /** An object from any keys to texts. */
  record(key: string): ReadonlyMap<string, string> {
    const field = this.get(key)
    const entries = new Map<string, string>()
    if (field && !isPlainObject(field.value)) field.refuse('an object is expected here')
    else
      for (const name of Object.keys(field?.value ?? {})) {
        const text = field!.text(name)
        if (text !== undefined) entries.set(name, text)
      }
    return entries
  }

  /** Tells, once, of what nobody has read. */
  unread(): void {
    if (this.done) return
    if (isPlainObject(this.value))
      for (const key of Object.keys(this.value)) {
        const child = this.children.get(key)
        if (child) child.unread()
        else this.get(key)?.refuse(`${key} is not imported`)
      }
    else for (const child of this.children.values()) child.unread()
  }

  /** Whether all of it was understood. Tells of what nobody has read. */
  whole(): boolean {
    this.unread()
    return !this.refused && [...this.children.values()].every((child) => child.whole())
  }

  private child(key: string | number, value: unknown): Field {
    let child = this.children.get(key)
    if (!child) this.children.set(key, (child = new Field(value, [...this.path, key], this.origin)))
    return child
  }

  private scalar(key: string, type: 'string' | 'number' | 'boolean', what: string): unknown {
    const field = this.get(key)
    if (field === undefined || typeof field.value === type) return field?.value
    field.refuse(`${what} is expected here`)
    return undefined
  }
}
