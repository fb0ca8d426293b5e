import type { Mesh } from '../mesh/types.js'

/** How many of what a mesh has, in words. */
export function describeMesh(mesh: Mesh): string {
  const endpoints = Object.values(mesh.services ?? {}).reduce((sum, service) => sum + service.endpoints.length, 0)
  const parts = [
    amount(Object.keys(mesh.ports).length, 'port'),
    amount(Object.keys(mesh.workloads ?? {}).length, 'workload'),
    `${amount(Object.keys(mesh.services ?? {}).length, 'service')} with ${amount(endpoints, 'endpoint')}`,
  ]
  return parts.join(', ')
}

function amount(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}
