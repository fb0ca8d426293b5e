import type { WideWorkload } from './resolve.js'
import type { Steps } from './steps.js'
import { own } from './tree.js'

type Workloads = { readonly [_: string]: WideWorkload }

/** Items that are looked at in one step. */
const stride = 256

/** The ids of workloads by what policies select them by, ascending. It is built when it is first asked. */
export class WorkloadIndex {
  private built = false
  private byId: (WideWorkload | undefined)[] = []
  private readonly labelled = new Map<string, number[]>()
  private readonly identified = new Map<string, number[]>()

  /** @param ids of all the workloads, by name */
  constructor(
    private readonly workloads: Workloads,
    private readonly ids: ReadonlyMap<string, number>,
  ) {}

  /** The one workload of a name that there is. */
  named(name: string): readonly number[] {
    return [this.ids.get(name)!]
  }

  /** Those with an identity. */
  *withIdentity(identity: string): Steps<readonly number[]> {
    yield* this.build()
    return this.identified.get(identity) ?? []
  }

  /** Those that have all of some labels, of which there is at least one. */
  *withLabels(labels: Readonly<Record<string, string>>): Steps<readonly number[]> {
    yield* this.build()
    const wanted = Object.entries(labels)
    const lists = wanted.map(([key, value]) => this.labelled.get(labelOf(key, value)) ?? [])
    const fewest = lists.reduce((a, b) => (b.length < a.length ? b : a))
    if (wanted.length === 1) return fewest
    const found: number[] = []
    for (const [count, id] of fewest.entries()) {
      const has = this.byId[id]!.labels
      if (wanted.every(([key, value]) => own(has, key) === value)) found.push(id)
      if (count % stride === stride - 1) yield
    }
    return found
  }

  private *build(): Steps<void> {
    if (this.built) return
    this.built = true
    // Ids that are used again stand in another order than the names.
    let count = 0
    for (const [name, id] of this.ids) {
      this.byId[id] = this.workloads[name]
      if (++count % stride === 0) yield
    }
    for (let id = 0; id < this.byId.length; id++) {
      if (id % stride === stride - 1) yield
      const workload = this.byId[id]
      if (!workload) continue
      const { labels = {}, identity } = workload
      for (const key of Object.keys(labels)) append(this.labelled, labelOf(key, labels[key]!), id)
      if (identity !== undefined) append(this.identified, identity, id)
    }
  }
}

function append(lists: Map<string, number[]>, key: string, id: number): void {
  const list = lists.get(key)
  if (list) list.push(id)
  else lists.set(key, [id])
}

/** A label as one text; the length tells where its key ends. */
function labelOf(key: string, value: string): string {
  return `${key.length}:${key}${value}`
}
