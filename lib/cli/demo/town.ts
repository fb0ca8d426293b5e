import type { Mesh } from '../../mesh/types.js'
import type { Port } from '../../mesh/schema/ports.js'

/** Who lives in the demo, and where: one network namespace for each, as a container runtime would lay them. */
export interface Container {
  readonly name: string
  readonly address: string
}

export const client: Container = { name: 'client', address: '10.0.1.10' }
export const shops: readonly Container[] = [
  { name: 'shop-1', address: '10.0.1.11' },
  { name: 'shop-2', address: '10.0.1.12' },
  { name: 'shop-3', address: '10.0.1.13' },
]

/** Every container's default gateway, on its own link: flatproxy itself. Calico uses the same address. */
export const gateway = '169.254.1.1'
export const service = { name: 'shop', address: '10.96.0.10', port: 80 } as const
export const shopPort = 8080
/** Where requests are taken, and routed. */
export const front = { name: 'web', address: '10.96.0.20', port: 80 } as const
/** Services behind it, by who serves them. */
const stable = ['shop-1', 'shop-2']
const canary = ['shop-3']

/** How the containers are joined to flatproxy. */
export type Joint = 'iface' | 'tap'

/** The node's end of a container's veth pair. */
export const vethOf = ({ name }: Container) => `veth-${name}`

/** The mesh while these shops are open, and these of them drained. */
export function meshOf(joint: Joint, open: readonly Container[], drained: readonly Container[] = []): Mesh {
  const containers = [client, ...open]
  const endpoints = open.map((shop) => ({
    workload: shop.name,
    port: shopPort,
    ...(drained.includes(shop) && { drain: true }),
  }))
  return {
    ports: Object.fromEntries(containers.map((container) => [container.name, portOf(joint, container)])),
    workloads: Object.fromEntries(containers.map(({ name, address }) => [name, { on: name, addresses: [address] }])),
    services: { [service.name]: { address: service.address, port: service.port, endpoints } },
  }
}

/** The same mesh, with a listener for requests in front of the shops. */
export function withRoutes(mesh: Mesh): Mesh {
  const serviceOf = (workloads: readonly string[]) => ({
    port: 80,
    balance: 'roundRobin' as const,
    endpoints: workloads.map((workload) => ({ workload, port: shopPort })),
  })
  const path = (value: string) => [{ path: { type: 'PathPrefix', value } as const }]
  return {
    ...mesh,
    services: { ...mesh.services, stable: serviceOf(stable), canary: serviceOf(canary) },
    listeners: { [front.name]: { address: front.address, port: front.port, protocol: 'http' } },
    routes: [
      {
        name: 'preview',
        rules: [{ matches: path('/preview'), backendRefs: [{ service: 'canary' }] }],
      },
      {
        name: 'shop',
        rules: [
          {
            filters: [
              { type: 'RequestHeaderModifier', set: { 'x-team': 'blue' }, remove: ['x-secret'] },
              { type: 'ResponseHeaderModifier', add: { 'x-through': 'flatproxy' } },
            ],
            backendRefs: [
              { service: 'stable', weight: 90 },
              { service: 'canary', weight: 10 },
            ],
            retry: { attempts: 2, backoff: '5ms' },
          },
        ],
      },
    ],
  }
}

function portOf(joint: Joint, container: Container): Port {
  if (joint === 'iface') return { type: 'iface', interface: vethOf(container), own: [gateway] }
  return {
    type: 'tap',
    name: 'eth0',
    netns: container.name,
    addresses: [`${container.address}/32`],
    routes: [{ to: `${gateway}/32` }, { to: '0.0.0.0/0', via: gateway }],
    own: [gateway],
  }
}
