import { limits } from './limits.js'
import { Problems, type Problem } from './problem.js'
import { Resolver } from './resolve.js'
import { checkVirtualAddresses } from './rules/addresses.js'
import { checkForward } from './rules/forward.js'
import { checkHttpRoutes } from './rules/http-routes.js'
import { checkJoined } from './rules/joined.js'
import { checkListeners } from './rules/listeners.js'
import { checkPolicies } from './rules/policies.js'
import { checkPorts } from './rules/ports.js'
import { checkRoutes } from './rules/routes.js'
import { checkServices } from './rules/services.js'
import { checkTcpRoutes } from './rules/tcp-routes.js'
import { checkWorkloads } from './rules/workloads.js'
import { mesh as meshNode } from './schema/mesh.js'
import { runSliced, runSync, type SliceOptions, type Steps } from './steps.js'
import type { Mesh } from './types.js'
import { MeshView } from './view.js'
import { walkSteps } from './walk.js'

/** What the schema cannot say; each looks at one part of the mesh. */
const rules: readonly ((view: MeshView, problems: Problems, resolver: Resolver) => Steps<void>)[] = [
  checkPorts,
  checkJoined,
  checkForward,
  checkWorkloads,
  checkServices,
  checkVirtualAddresses,
  checkListeners,
  checkRoutes,
  checkTcpRoutes,
  checkHttpRoutes,
  checkPolicies,
]

/**
 * Checks a mesh, or what is to be one.
 *
 * @returns all its problems at once, up to {@link limits}`.problems`; none: the mesh is valid
 */
export function checkMesh(value: unknown): readonly Problem[] {
  return runSync(checkSteps(value, undefined, new Resolver()))
}

/**
 * Checks a mesh in slices, between which the event loop turns, and only what is not, by identity, in `previous`.
 *
 * @param value a mesh that nobody changes from now on: a result of `adoptMesh` or `mergePatch`
 * @param previous a mesh without problems, as immutable
 */
export async function checkMeshSliced(value: unknown, previous?: Mesh, options?: SliceOptions): Promise<Problem[]> {
  return runSliced(checkSteps(value, previous, sharedResolver), options)
}

/** What is known of immutable meshes: their services with resolved endpoints. */
export const sharedResolver = new Resolver()

/** {@link checkMesh} in steps. */
export function* checkSteps(value: unknown, previous: Mesh | undefined, resolver: Resolver): Steps<Problem[]> {
  if (value === previous && previous !== undefined) return []
  const problems = new Problems(limits.problems)
  const unsound = yield* walkSteps(meshNode, value, previous, problems)
  const view = new MeshView(value, unsound, previous)
  for (const rule of rules) yield* rule(view, problems, resolver)
  return problems.found
}
