// NetworkPolicies as objects, and the mesh that is imported from them and the Pods of a small cluster.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Mesh } from 'flatproxy'
import { fromKubernetes } from 'flatproxy/kubernetes'

export const cluster = 'test/kubernetes/policies/cluster.yaml'
export const options = { ports: { uplink: { type: 'memory' } }, workloadPort: 'uplink' } as const

/** The specs of NetworkPolicies by `NAMESPACE/NAME`. */
export type Specs = Readonly<Record<string, object>>

/** What is to pass between Pods or addresses of {@link cluster}, and what is not: `FROM TO PROTOCOL PORT`. */
export interface Example {
  what: string
  policies: Specs
  allowed?: string[]
  denied?: string[]
}

export async function importSpecs(specs: Specs): Promise<Mesh> {
  const folder = mkdtempSync(join(tmpdir(), 'flatproxy-policies-'))
  try {
    const items = Object.entries(specs).map(([owner, spec]) => {
      const [namespace, name] = owner.split('/')
      return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name, namespace }, spec }
    })
    const file = join(folder, 'policies.json')
    writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
    return (await fromKubernetes([cluster, file], options)).mesh
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The selector that all meet. */
export const all = {}

export const labels = (matchLabels: object) => ({ matchLabels })

export const asks = (key: string, operator: string, ...values: string[]) => ({
  matchExpressions: [{ key, operator, ...(values.length > 0 && { values }) }],
})

/** Where names are resolved. */
export const dns = { namespaceSelector: labels({ 'kubernetes.io/metadata.name': 'kube-system' }) }
export const dnsPorts = [
  { protocol: 'UDP', port: 53 },
  { protocol: 'TCP', port: 53 },
]
