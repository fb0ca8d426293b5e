import type { Explanation, Frame, Tuple } from '../api.js'
import { adoptMesh } from '../mesh/adopt.js'
import { Planner } from '../mesh/plan.js'
import type { Mesh } from '../mesh/types.js'
import { loadAddon, nativeError } from '../native.js'
import type { Words } from './explain-words.js'
import { answerOf } from './explain.js'
import { Names } from './names.js'
import { questionOf } from './question.js'
import { checkRunnable } from './runnable.js'

/**
 * What would happen to the first packet of a flow (a TCP SYN, a UDP datagram, an ICMP echo request, one of RoCEv2), or to a
 * frame, in a proxy that has just been started with the mesh. Needs no privilege; no port is opened. See {@link View.explain} for what is said.
 *
 * @throws {@link MeshError}, {@link UnsupportedError} as `start` does; `ERR_FLATPROXY_ARGUMENT` for a packet that cannot
 *   be; `ERR_FLATPROXY_PLATFORM` or `ERR_FLATPROXY_NATIVE` where the native part cannot run
 */
export async function explain(mesh: Mesh, input: Tuple | Frame): Promise<Explanation> {
  const adopted = await adoptMesh(mesh, undefined, {})
  await checkRunnable(adopted, undefined)
  const addon = loadAddon()
  const planner = new Planner()
  const { chunks } = await planner.plan(adopted)
  planner.commit()
  const question = questionOf(input, planner.portIds)
  try {
    const said = await addon.explainPlan(chunks, question)
    const beforehand = [...unknownAddresses(adopted), ...(said.frame ? unknownLinks(adopted) : [])]
    return answerOf(said, { input, question }, { addon, planner, names: new Names(planner), beforehand })
  } catch (error) {
    throw nativeError(error)
  }
}

/** Ports whose own addresses are found when they are opened. */
function unknownAddresses(mesh: Mesh): Words[] {
  return Object.entries(mesh.ports).flatMap(([name, port]) =>
    port.type === 'iface' && port.own === undefined && port.joined === undefined
      ? [['port', name, 'not known', `its own addresses are those of ${port.interface}, which is not opened`] as const]
      : [],
  )
}

/** Ports whose MAC and MTU are those of what is opened. */
function unknownLinks(mesh: Mesh): Words[] {
  return Object.entries(mesh.ports).flatMap(([name, { type }]) =>
    type === 'iface' || type === 'ethdev'
      ? [['port', name, 'not known', 'its MAC and MTU: frames to any MAC are for it, and none is too big'] as const]
      : [],
  )
}
