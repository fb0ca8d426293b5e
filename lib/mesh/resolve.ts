import { formatAddress, parseAddress } from './address.js'
import type { WideMesh } from './schema/mesh.js'
import type { Steps } from './steps.js'
import { own } from './tree.js'
import { listOf } from './view.js'

export type WideService = NonNullable<WideMesh['services']>[string]
export type WideEndpoint = WideService['endpoints'][number]
export type WideWorkload = NonNullable<WideMesh['workloads']>[string]
type Workloads = { readonly [_: string]: WideWorkload } | undefined

/** The IP version of an address's text that is known to be one. */
export const familyOf = (address: string): 4 | 6 => (address.includes(':') ? 6 : 4)

/** The canonical text of an address's text that is known to be one. */
export function canonical(address: string): string {
  return familyOf(address) === 4 ? address : formatAddress(parseAddress(address)!)
}

/** An endpoint of a service, with the addresses that packets go to: one for each family of the service. */
export interface Target {
  readonly source: WideEndpoint
  /** The workload that it names, if the mesh has it. */
  readonly workload: WideWorkload | undefined
  /** Canonical; none when the endpoint has no address of the service's families. */
  readonly addresses: readonly string[]
}

/** A service's endpoints, resolved against the workloads of a mesh. */
export interface Resolved {
  /** The families of the service's addresses; both when it has none. */
  readonly families: readonly (4 | 6)[]
  /** In the order of the service's endpoints. Those that are as before are so by identity. */
  readonly targets: readonly Target[]
}

/** Resolves services, and remembers by identity what it has resolved: for immutable meshes. */
export class Resolver {
  private readonly known = new WeakMap<WideService, Resolved & { workloads: Workloads }>();

  /**
   * The targets of a service.
   *
   * @param before what the service was before, whose targets are kept where nothing changed
   * @param usable tells whether an object of the mesh can be read (a mesh that is being checked may have faults)
   */
  *resolve(
    service: WideService,
    workloads: Workloads,
    before: WideService | undefined,
    usable: (part: unknown) => boolean,
  ): Steps<Resolved> {
    const same = this.known.get(service)
    if (same && same.workloads === workloads) return same
    const last = same ?? (before && this.known.get(before))
    const families = familiesOf(service)
    const old = last && String(last.families) === String(families) ? last.targets : []
    const shift = old.length - service.endpoints.length
    const targets: Target[] = []
    for (const [index, source] of service.endpoints.entries()) {
      const prior = old[index]?.source === source ? old[index] : old[index + shift]
      const named = 'workload' in source && source.workload !== undefined
      const kept = prior?.source === source
      if (kept && (!named || last!.workloads === workloads)) targets.push(prior)
      else {
        const workload = named && usable(source) ? own(workloads, source.workload) : undefined
        if (kept && prior.workload === workload) targets.push(prior)
        else
          targets.push({
            source,
            workload,
            addresses: usable(source) ? addressesOf(source, workload, families, usable) : [],
          })
      }
      if (index % 256 === 255) yield
    }
    const resolved = { families, targets, workloads }
    this.known.set(service, resolved)
    return resolved
  }
}

function familiesOf(service: WideService): (4 | 6)[] {
  const families = new Set(listOf(service.address).map(familyOf))
  return families.size ? [...families].sort() : [4, 6]
}

function addressesOf(
  source: WideEndpoint,
  workload: WideWorkload | undefined,
  families: readonly (4 | 6)[],
  usable: (part: unknown) => boolean,
): string[] {
  const all = 'address' in source ? [source.address] : workload && usable(workload) ? workload.addresses : []
  const found = families.map((family) => all.find((address) => familyOf(address) === family))
  return found.filter((address) => address !== undefined).map(canonical)
}
