import { canonical } from '../mesh/resolve.js'
import type { PlannedService } from '../mesh/plan-services.js'
import type { MeshIds } from '../mesh/plan.js'

/** The addon's ids of the node's own stack, one behind each port that there may be. */
export const firstHostSide = 256
const hostSidesEnd = 512

/** The names behind the ids of what is in force. Built when somebody asks, once for each generation. */
export class Names {
  private generation = -1
  private ports: ReadonlyMap<number, string> = new Map()
  private services: ReadonlyMap<number, readonly [name: string, service: PlannedService]> = new Map()
  private workloads: ReadonlyMap<string, string> | undefined
  private readonly endpoints = new WeakMap<PlannedService, ReadonlyMap<number, string>>()

  constructor(private readonly planner: MeshIds) {}

  /** The name of a port; `'host'` for the node's own stack, `''` for one that is gone. */
  port(id: number): string {
    if (id >= firstHostSide && id < hostSidesEnd) return 'host'
    this.update()
    return this.ports.get(id) ?? ''
  }

  service(id: number): string | undefined {
    this.update()
    return this.services.get(id)?.[0]
  }

  /**
   * The name of a policy by its place; `undefined` if the generation is neither in force nor the one before or after.
   *
   * @param generation modulo 2^32
   */
  policy(generation: number, place: number): string | undefined {
    return this.planner.policiesOf(generation)?.[place]?.name
  }

  listener(id: number): string | undefined {
    for (const [name, each] of this.planner.listenerIds) if (each === id) return name
    return undefined
  }

  /** The workload that has an address, in canonical form. */
  workload(address: string): string | undefined {
    this.update()
    this.workloads ??= new Map(
      Object.entries(this.planner.mesh?.workloads ?? {}).flatMap(([name, { addresses }]) =>
        addresses.map((text) => [canonical(text), name] as const),
      ),
    )
    return this.workloads.get(address)
  }

  /** The name of a service's endpoint: its workload's, or its address and port. */
  endpoint(service: number, endpoint: number): string | undefined {
    this.update()
    const planned = this.services.get(service)?.[1]
    if (!planned) return undefined
    let names = this.endpoints.get(planned)
    if (!names) this.endpoints.set(planned, (names = namesOf(planned)))
    return names.get(endpoint)
  }

  private update(): void {
    const { generation, portIds, services } = this.planner
    if (this.generation === generation) return
    this.generation = generation
    this.workloads = undefined
    this.ports = new Map(Array.from(portIds, ([name, id]) => [id, name]))
    this.services = new Map(Array.from(services, ([name, service]) => [service.id, [name, service]]))
  }
}

function namesOf({ entries }: PlannedService): ReadonlyMap<number, string> {
  const names = new Map<number, string>()
  for (const { target, ids } of entries)
    for (const [index, id] of ids.entries()) {
      const { source, addresses } = target
      names.set(id, 'workload' in source ? source.workload : endpointText(addresses[index]!, source.port))
    }
  return names
}

/** An address and a port, as users see them. */
export function endpointText(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
