import { MeshError, UnsupportedError } from '../errors.js'
import { checkMesh } from '../mesh/check.js'
import type { Path, Problem } from '../mesh/problem.js'
import type { Mesh } from '../mesh/types.js'
import { readText } from '../mesh/yaml-text.js'
import { importGrants } from './backends.js'
import type { Field } from './field.js'
import { expandFiles } from './files.js'
import { importGateways } from './gateways.js'
import { Objects, type Told } from './objects.js'
import { importPods, type WorkloadPort } from './pods.js'
import { importPolicies } from './policies.js'
import { importRoutes } from './routes.js'
import { importServices } from './services.js'
import { Sessions } from './sessions.js'

/** Something that Kubernetes says and the mesh does not. */
export interface Unsupported {
  readonly file: string
  /** The line in `file`, from 1. */
  readonly line: number
  /** The field in its object, such as `spec.rules[0].filters[1]`. */
  readonly path: string
  /** The object, and why. */
  readonly why: string
}

/** How {@link fromKubernetes} imports. */
export interface ImportOptions {
  /** Whether it throws when there is anything that the mesh cannot say. Default: true. */
  strict?: boolean
  /** The ports of the mesh, of which Kubernetes says nothing. Default: none. */
  ports?: Mesh['ports']
  /**
   * The port of the mesh that Pods are behind: one name for all, or a function that is asked for each. Default: Pods are no
   * workloads, and NetworkPolicies, which are about them, are told as unsupported.
   */
  workloadPort?: WorkloadPort
}

/** What {@link fromKubernetes} gives. */
export interface Imported {
  readonly mesh: Mesh
  /** What Kubernetes says and the mesh does not, in the order of the files; empty, or `strict` was false. */
  readonly unsupported: readonly Unsupported[]
}

/**
 * A mesh out of objects of Kubernetes: Gateways and HTTPRoutes, Services with their EndpointSlices, Namespaces,
 * ReferenceGrants, Pods and NetworkPolicies. Nothing is asked of a cluster.
 *
 * @param files YAML or JSON, of one or more documents (as `kubectl get -o yaml` writes it); `*` in the last part of a path
 *   stands for any characters
 * @throws UnsupportedError with all that the mesh cannot say, each with file and line; MeshError when a file is no YAML, or
 *   what was imported is no sound mesh; `ERR_FLATPROXY_FILE` when a file cannot be read
 */
export async function fromKubernetes(
  files: string | readonly string[],
  { strict = true, ports = {}, workloadPort }: ImportOptions = {},
): Promise<Imported> {
  const objects = new Objects()
  for (const file of await expandFiles(files)) objects.read(await readText(file), file)
  const origins = new Map<object, Field>()
  const mesh = build(objects, { ports, workloadPort }, origins)
  objects.unread()
  const { told } = objects
  if (strict && told.length > 0) throw new UnsupportedError(told.map(problemOf))
  const problems = checkMesh(mesh)
  if (problems.length > 0) throw new MeshError(problems.map((problem) => located(problem, mesh, origins)))
  return { mesh, unsupported: told.map((one) => ({ ...one, path: pathText(one.path) })) }
}

interface Given {
  readonly ports: Mesh['ports']
  readonly workloadPort: WorkloadPort | undefined
}

function build(objects: Objects, { ports, workloadPort }: Given, origins: Map<object, Field>): Mesh {
  const from = <T extends object>(part: T, source: Field): T => {
    origins.set(part, source)
    return part
  }
  const gateways = importGateways(objects)
  const services = importServices(objects)
  const listeners = [...gateways.values()].flat().flatMap(({ planned, source }) => {
    if (planned) from(planned[1], source)
    return planned ? [planned] : []
  })
  const sessions = new Sessions()
  const routes = importRoutes(objects, { gateways, services, granted: importGrants(objects), sessions, from })
  const affinities = sessions.settle()
  const entries = [...services.values()].flat().map(({ name, service, source }) => {
    const sessionAffinity = affinities.get(name)
    return [name, from(sessionAffinity ? { ...service, sessionAffinity } : service, source)] as const
  })
  const pods = workloadPort === undefined ? undefined : importPods(objects, workloadPort, from)
  const policies = importPolicies(objects, { pods, from })
  return {
    ports,
    ...(pods && { workloads: pods.workloads }),
    services: Object.fromEntries(entries),
    listeners: Object.fromEntries(listeners),
    routes,
    ...(policies.length > 0 && { policies }),
  }
}

function problemOf({ file, line, path, why }: Told): Problem {
  return { path: [...path], message: why, expected: 'what a mesh can say', file, line }
}

/** A path as it is written: `spec.rules[0].matches`. */
function pathText(path: Path): string {
  return path.map((key, index) => (typeof key === 'number' ? `[${key}]` : index > 0 ? `.${key}` : key)).join('')
}

/** A problem of the mesh, with the file and line of what that part of the mesh came from. */
function located(problem: Problem, mesh: Mesh, origins: ReadonlyMap<object, Field>): Problem {
  let part: unknown = mesh
  let source: Field | undefined
  for (const key of problem.path) {
    part = (part as Readonly<Record<string | number, unknown>>)[key]
    if (typeof part !== 'object' || part === null) break
    source = origins.get(part) ?? source
  }
  return source ? { ...problem, ...source.place } : problem
}
