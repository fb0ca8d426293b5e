// A planner, and a mesh for it.
import assert from 'node:assert/strict'
import { mergePatch } from '#lib/index.js'
import { adoptMesh } from '#lib/mesh/adopt.js'
import { checkMeshSliced } from '#lib/mesh/check.js'
import { Planner, type Planned } from '#lib/mesh/plan.js'

export interface Endpoint {
  id: number
  address: string
  port: number
  weight: number
  drain: boolean
  name: string
}
export interface Service {
  id: number
  name: string
  endpoints: Endpoint[]
}
export interface HttpRoute {
  id: number | null
  name: string
  listeners: { id: number; hostname: string | null }[]
  hostnames: string[]
  rules: Record<'matches' | 'filters' | 'backends' | 'timeouts' | 'retry', unknown>[]
}
export interface Policies {
  default: string
  onDeny?: string
  selectors: ({ workloads: number[] | 'all' } | { cidrs: string[]; except: string[] })[]
  rules: {
    name: string
    direction: string
    subject: number[]
    peer: number[] | null
    ports: { protocol: number; first: number; last: number }[] | null
    action: string
    counter?: number
    on?: number[]
    vlans?: { first: number; last: number }[]
    limit?: object
    mirror?: object
  }[]
}
export interface Plan {
  generation: number
  base: number | null
  ports: { id: number; name: string; own: string[] | null; peer?: number; config: unknown }[]
  flows: unknown
  routes: unknown[] | null
  workloads: unknown[] | null
  services: { set: Service[]; removed: number[] }
  listeners: { id: number; name: string; protocol: string; backends: unknown[]; tls?: object }[] | null
  httpRoutes: HttpRoute[] | null
  policies: Policies | null
}

export const read = ({ chunks }: Planned) => JSON.parse(Buffer.concat(chunks).toString()) as Plan

/** A planner, and what it makes of a mesh or a patch; each is committed. */
export class Harness {
  readonly planner = new Planner()

  async apply(value: unknown): Promise<Plan> {
    const mesh = await adoptMesh(value, this.planner.mesh)
    assert.deepEqual(await checkMeshSliced(mesh, this.planner.mesh), [])
    const plan = read(await this.planner.plan(mesh))
    this.planner.commit()
    return plan
  }

  patch(patch: unknown): Promise<Plan> {
    return this.apply(mergePatch(this.planner.mesh, patch))
  }
}

export const mesh = () => ({
  ports: {
    up: { type: 'iface', interface: 'eth0', own: ['192.0.2.1/24', 'FE80::1/64', '192.0.2.9'] },
    lossy: { type: 'fault', port: { type: 'memory', own: ['10.0.0.1/24'] }, seed: 1, delay: '1s' },
  },
  forward: [{ to: '0.0.0.0/0', on: 'up', via: '192.0.2.254' }],
  workloads: {
    w: { on: 'lossy', addresses: ['10.0.0.11', 'FD00::11', '10.0.0.12'] },
    node: { on: 'host', addresses: ['192.0.2.5'] },
  },
  services: {
    shop: {
      address: ['10.96.0.1', 'fd00:96::1'],
      port: 80,
      healthCheck: {},
      endpoints: [
        { workload: 'w', port: 8080 },
        { address: '10.0.0.99', port: 1, weight: 0 },
      ],
    },
    dns: {
      address: '10.96.0.1',
      port: 53,
      protocol: 'udp',
      balance: 'roundRobin',
      affinity: 'source',
      endpoints: [{ workload: 'w', port: 53, drain: true }],
    },
  },
})
