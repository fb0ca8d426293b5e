import { formatPrefix, network, parsePrefix } from './address.js'
import type { WideMesh } from './schema/mesh.js'
import type { Steps } from './steps.js'
import { listOf } from './view.js'
import type { WorkloadIndex } from './workload-index.js'

/** One side of a flow, as a policy of the mesh selects it. */
export type WidePeer = Exclude<NonNullable<NonNullable<WideMesh['policies']>[number]['to']>, readonly unknown[]>

/** What a policy without a subject is about. */
export const everyWorkload: WidePeer = { labels: {} }

/** Ids that are written in one step. */
const stride = 1_024

/** The same for peers that say the same in other words: labels in another order, addresses written otherwise. */
export function selectorKey(peer: WidePeer): string {
  if ('workload' in peer) return `workload ${peer.workload}`
  if ('identity' in peer) return `identity ${peer.identity}`
  if ('cidr' in peer) return addressesText(peer)
  return `labels ${JSON.stringify(Object.entries(peer.labels).sort(([a], [b]) => (a < b ? -1 : 1)))}`
}

/**
 * The selectors of a plan: `{ workloads: [ids, ascending] }`, `{ workloads: 'all' }` or `{ cidrs, except }`, as JSON.
 * Each is evaluated once, and stands once.
 */
export class SelectorTable {
  /** The selectors; what stands at an index stays there. */
  readonly texts: string[] = []
  private readonly byKey = new Map<string, number>()
  private readonly byText = new Map<string, number>()

  constructor(private readonly workloads: WorkloadIndex) {}

  /** The indices of the selectors of some peers, each once. */
  *indicesOf(peers: readonly WidePeer[]): Steps<number[]> {
    const found = new Set<number>()
    for (const peer of peers) {
      const key = selectorKey(peer)
      let index = this.byKey.get(key)
      if (index === undefined) {
        index = this.place(yield* this.textOf(peer))
        this.byKey.set(key, index)
      }
      found.add(index)
      yield
    }
    return [...found]
  }

  private place(text: string): number {
    const known = this.byText.get(text)
    if (known !== undefined) return known
    this.byText.set(text, this.texts.length)
    return this.texts.push(text) - 1
  }

  private *textOf(peer: WidePeer): Steps<string> {
    if ('cidr' in peer) return addressesText(peer)
    if ('workload' in peer) return yield* idsText(this.workloads.named(peer.workload))
    if ('identity' in peer) return yield* idsText(yield* this.workloads.withIdentity(peer.identity))
    if (Object.keys(peer.labels).length === 0) return '{"workloads":"all"}'
    return yield* idsText(yield* this.workloads.withLabels(peer.labels))
  }
}

function addressesText({ cidr, except = [] }: Extract<WidePeer, { cidr: unknown }>): string {
  return JSON.stringify({ cidrs: listOf(cidr).map(canonicalPrefix), except: except.map(canonicalPrefix) })
}

function canonicalPrefix(text: string): string {
  return formatPrefix(network(parsePrefix(text)!))
}

function* idsText(ids: readonly number[]): Steps<string> {
  let text = '{"workloads":['
  for (let from = 0; from < ids.length; from += stride) {
    text += `${from > 0 ? ',' : ''}${ids.slice(from, from + stride).join(',')}`
    yield
  }
  return `${text}]}`
}
