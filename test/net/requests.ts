// A mesh with one listener for requests, and a load of requests: what tests of trouble begin with.
import type { ChildProcess } from 'node:child_process'
import type { Mesh } from '#lib/index.js'
import type { Load } from './load-client.js'
import { meshOf, tapPort } from './mesh.js'
import { nextLine, script, start, virtual } from './town.js'

type Service = NonNullable<Mesh['services']>[string]
type Http = NonNullable<NonNullable<Mesh['listeners']>[string]['http']>
export type Rule = NonNullable<Mesh['routes']>[number]['rules'][number]

export const requestPort = 84

export interface RequestMesh {
  /** Where the service's endpoints listen. */
  readonly ports: readonly number[]
  readonly service?: Partial<Service>
  readonly http?: Http
  readonly rule?: Partial<Rule>
}

export function requestMesh({ ports, service, http, rule }: RequestMesh): Mesh {
  const { ports: sides, workloads } = meshOf(tapPort)
  return {
    ports: sides,
    workloads: workloads!,
    services: { shop: { port: 80, ...service, endpoints: ports.map((port) => ({ workload: 'server', port })) } },
    listeners: {
      requests: { address: Object.values(virtual), port: requestPort, protocol: 'http', ...(http && { http }) },
    },
    routes: [{ name: 'shop', rules: [{ backendRefs: [{ service: 'shop' }], ...rule }] }],
  }
}

/** Keeps requests coming, on so many connections; resolves when there was an answer on each. */
export const startLoad = (connections: number): Promise<ChildProcess> =>
  start('client', process.execPath, script('load-client.js'), virtual.v4, String(requestPort), String(connections))

export async function endLoad(load: ChildProcess): Promise<Load> {
  const line = nextLine(load)
  load.kill('SIGTERM')
  return JSON.parse(await line) as Load
}
