import { MeshError, UnsupportedError } from '../errors.js'
import { checkMeshSliced } from '../mesh/check.js'
import { flows as flowsSchema } from '../mesh/schema/flows.js'
import { settle } from '../mesh/settle.js'
import { runSliced, type SliceOptions } from '../mesh/steps.js'
import type { Mesh } from '../mesh/types.js'
import { unsupportedSteps } from '../mesh/unsupported.js'

/**
 * Refuses what cannot run.
 *
 * @param before the mesh in force, if there is one
 * @throws {@link MeshError} for a mesh with problems, {@link UnsupportedError} for what is not built yet
 */
export async function checkRunnable(mesh: Mesh, before: Mesh | undefined, options: SliceOptions = {}): Promise<void> {
  const problems = await checkMeshSliced(mesh, before, options)
  if (problems.length > 0) throw new MeshError(problems)
  const refused = await runSliced(unsupportedSteps(mesh, before), options)
  if (before && flowCapacityOf(mesh) !== flowCapacityOf(before))
    refused.push({
      path: ['flows', 'capacity'],
      message: 'the capacity of a running proxy cannot be changed',
      expected: String(flowCapacityOf(before)),
      hint: 'start another proxy with it',
    })
  if (refused.length > 0) throw new UnsupportedError(refused)
}

/** Flows of a lane. */
export function flowCapacityOf(mesh: Mesh): number {
  return (settle(flowsSchema, mesh.flows ?? {}) as { capacity: number }).capacity
}
