import type { Mesh, Workload } from '../mesh/types.js'
import type { Field } from './field.js'
import { nameLabel, namespaceLabels } from './namespaces.js'
import type { K8sObject, Objects } from './objects.js'
import type { Labels } from './selectors.js'

/** A Pod, as a function that is asked for its port sees it. */
export interface Pod {
  readonly namespace: string
  readonly name: string
  /** The node that it runs on, if it says so. */
  readonly nodeName: string | undefined
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

/** The port of the mesh that Pods are behind: of all, or of each. */
export type WorkloadPort = string | ((pod: Pod) => string)

/** A Pod that is a workload of the mesh. */
export interface PodWorkload {
  /** Its name in the mesh. */
  readonly name: string
  readonly namespace: string
  /** Its own, without those of its namespace. */
  readonly labels: Labels
  /** The ports of its containers by protocol and name: `TCP http`. */
  readonly ports: ReadonlyMap<string, number>
}

/** A Pod in its node's network: what policies say does not reach it. */
export interface HostPod {
  readonly namespace: string
  readonly labels: Labels
  readonly source: Field
}

/** The Pods of files. */
export interface Pods {
  readonly all: readonly PodWorkload[]
  readonly host: readonly HostPod[]
  /** The labels of all namespaces that the files know, by name. */
  readonly namespaces: ReadonlyMap<string, Labels>
  readonly workloads: NonNullable<Mesh['workloads']>
}

/** Labels of a namespace as labels of its workloads. No label of Kubernetes has a colon. */
export function asPodLabels(labels: Labels): Labels {
  return new Map([...labels].map(([key, value]) => [`namespace:${key}`, value]))
}

/** The labels that the workloads of a namespace have, and no others. */
export const inNamespace = (name: string) => asPodLabels(new Map([[nameLabel, name]]))

/** Pods that run, as workloads. */
export function importPods(
  objects: Objects,
  port: WorkloadPort,
  from: <T extends object>(part: T, source: Field) => T,
): Pods {
  const known = [...objects.of('Namespace'), ...objects.of('NetworkPolicy'), ...objects.of('Pod')]
  const names = new Set(known.map(({ kind, name, namespace }) => (kind === 'Namespace' ? name : namespace)))
  const namespaces = new Map([...names].sort().map((name) => [name, namespaceLabels(objects, name)]))
  const all: PodWorkload[] = []
  const host: HostPod[] = []
  const workloads: [string, Workload][] = []
  for (const object of objects.of('Pod')) {
    const { namespace, name, labels, root } = object
    const addresses = addressesOf(root)
    if (addresses.length === 0) continue
    const source = root.get('spec')?.get('hostNetwork')
    if (source?.value === true) {
      host.push({ namespace, labels, source })
      continue
    }
    const pod = { name: `${namespace}/${name}`, namespace, labels, ports: portsOf(root) }
    all.push(pod)
    const meshLabels = Object.fromEntries([...labels, ...asPodLabels(namespaces.get(namespace)!)])
    const on = typeof port === 'string' ? port : port(describe(object))
    workloads.push([pod.name, from({ addresses, labels: meshLabels, on }, root)])
  }
  return { all, host, namespaces, workloads: Object.fromEntries(workloads) }
}

/** None of a Pod that has not started, or that has ended: its addresses may be another one's by now. */
function addressesOf(root: Field): string[] {
  const status = root.get('status')
  const phase = status?.text('phase')
  if (!status || phase === 'Succeeded' || phase === 'Failed') return []
  const listed = status.list('podIPs').flatMap((one) => one.text('ip') ?? [])
  return listed.length > 0 ? listed : [status.text('podIP') ?? []].flat()
}

function portsOf(root: Field): Map<string, number> {
  const spec = root.get('spec')
  // Init containers that are always restarted run beside the others.
  const beside = (spec?.list('initContainers') ?? []).filter((one) => one.text('restartPolicy') === 'Always')
  const ports = new Map<string, number>()
  for (const container of [...(spec?.list('containers') ?? []), ...beside])
    for (const one of container.list('ports')) {
      const [protocol = 'TCP', name, number] = [one.text('protocol'), one.text('name'), one.number('containerPort')]
      const key = `${protocol} ${name ?? ''}`
      if (name !== undefined && number !== undefined && !ports.has(key)) ports.set(key, number)
    }
  return ports
}

function describe({ namespace, name, labels, root }: K8sObject): Pod {
  return {
    namespace,
    name,
    nodeName: root.get('spec')?.text('nodeName'),
    labels: Object.fromEntries(labels),
    annotations: Object.fromEntries(root.get('metadata')?.record('annotations') ?? []),
  }
}
