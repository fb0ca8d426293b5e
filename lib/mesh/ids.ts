/**
 * Small integers for things that come and go. A number that was freed is given out again only after all that never were,
 * and then the one that was freed first: who still holds an old one is unlikely to meet its successor.
 *
 * What is taken and freed counts from {@link commit} on; {@link abandon} forgets it.
 */
export class IdPool {
  private fresh = 0
  private freed: number[] = []
  private taken = 0
  private reused = 0
  private released: number[] = []

  /** @param limit ids are from 0 to `limit - 1` */
  constructor(readonly limit: number) {}

  /** An id that nobody has, or `undefined` when all are given out. What is freed in the same transaction is not free yet. */
  take(): number | undefined {
    if (this.fresh + this.taken < this.limit) return this.fresh + this.taken++
    return this.freed[this.reused] === undefined ? undefined : this.freed[this.reused++]
  }

  /** Frees an id. */
  release(id: number): void {
    this.released.push(id)
  }

  commit(): void {
    this.fresh += this.taken
    if (this.reused > 0) this.freed = this.freed.slice(this.reused)
    for (const id of this.released) this.freed.push(id)
    this.abandon()
  }

  abandon(): void {
    this.taken = 0
    this.reused = 0
    this.released = []
  }
}

/** Ids by name: a name keeps its id while it lives. */
export class NamedIds {
  private ids: ReadonlyMap<string, number> = new Map()
  private next: ReadonlyMap<string, number> | undefined
  private readonly pool: IdPool

  constructor(limit: number) {
    this.pool = new IdPool(limit)
  }

  /** What is committed. */
  get current(): ReadonlyMap<string, number> {
    return this.ids
  }

  /** What is assigned, and not committed yet; else what is committed. */
  get planned(): ReadonlyMap<string, number> {
    return this.next ?? this.ids
  }

  /** The ids for these names; `undefined` when there are not enough. Counts from {@link commit} on. */
  assign(names: Iterable<string>): ReadonlyMap<string, number> | undefined {
    const next = new Map<string, number>()
    for (const name of names) {
      const id = this.ids.get(name) ?? this.pool.take()
      if (id === undefined) return undefined
      next.set(name, id)
    }
    for (const [name, id] of this.ids) if (!next.has(name)) this.pool.release(id)
    return (this.next = next)
  }

  commit(): void {
    this.pool.commit()
    this.ids = this.next ?? this.ids
    this.next = undefined
  }

  abandon(): void {
    this.pool.abandon()
    this.next = undefined
  }
}
