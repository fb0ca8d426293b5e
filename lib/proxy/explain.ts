import type { Explanation, Tuple } from '../api.js'
import type { MeshIds } from '../mesh/plan.js'
import type { Mesh } from '../mesh/types.js'
import type { Addon, FirstPacket, NativeExplanation } from '../native.js'
import { inWords, type Told, type Words } from './explain-words.js'
import { endpointText, type Names } from './names.js'

type Step = Explanation['steps'][number]

/** What a packet is told by. */
export type Asked = Pick<Tuple, 'on' | 'from' | 'to' | 'http'> & { readonly protocol: string }

/** What an explanation is put into words with. */
export interface Explained {
  readonly addon: Addon
  readonly planner: MeshIds
  readonly names: Names
  readonly input: Asked
  readonly packet: FirstPacket
  /** Told before all else. */
  readonly beforehand?: readonly Words[]
}

/** What the addon says of a packet, with the mesh's names. */
export function explanationOf(said: NativeExplanation, about: Explained): Explanation {
  const { addon, planner, names, input, packet } = about
  const mesh = planner.mesh!
  const { name: reason, verdict } = addon.reasons[said.reason]!
  const listener = nameOf(planner.listenerIds, said.listener)
  const told: Told = {
    mesh,
    names,
    on: input.on,
    from: endOf(packet.source, packet.sourcePort, input),
    to:
      endOf(packet.destination, packet.destinationPort, input) + (input.protocol === 'roce' ? ` qp ${packet.qp}` : ''),
    service: said.service,
    listener,
  }
  const steps = [
    ...(about.beforehand ?? []),
    arrival(told, packet),
    ...said.steps.map((step) => inWords(told, step)),
    ...requestStep(mesh, input, listener),
  ]
  const left = keptByKernel(mesh, input.on, said)
  if (left) steps.push(left)
  const policy = said.policy === null ? undefined : mesh.policies?.[said.policy]?.name
  const service = said.service === null ? undefined : names.service(said.service)
  const endpoint = said.endpoint === null ? undefined : names.endpoint(said.service!, said.endpoint)
  const exit = said.exit === null ? undefined : names.port(said.exit)
  return withText(told, input, {
    verdict: left ? 'forward' : verdict === 'answer' ? 'terminate' : (verdict as Explanation['verdict']),
    reason: left ? 'left_to_kernel' : reason,
    tier: left ? 'kernel' : isHttp(mesh, listener) ? 'l7' : 'lane',
    ...(policy !== undefined && { policy }),
    ...(service !== undefined && { service }),
    ...(endpoint !== undefined && { endpoint }),
    ...(exit !== undefined && !left && { exit }),
    steps: steps.map(([stage, object, outcome, why]) => ({ stage, object, outcome, why })),
  })
}

function withText(told: Told, { protocol }: Asked, explanation: Omit<Explanation, 'toString'>): Explanation {
  const { verdict, reason, policy, endpoint, exit, steps } = explanation
  const ends = [policy && `policy ${policy}`, endpoint && `endpoint ${endpoint}`, exit && `exit ${exit}`].filter(
    Boolean,
  )
  const head = `${protocol} ${told.from} > ${told.to} by ${told.on}: ${[`${verdict} (${reason})`, ...ends].join(', ')}`
  const text = [head, ...steps.map(stepText)].join('\n')
  return Object.defineProperty({ ...explanation }, 'toString', { value: () => text })
}

function stepText({ stage, object, outcome, why }: Step): string {
  return `  ${stage}${object === '' ? '' : ` ${object}`}: ${outcome} (${why})`
}

function endOf(address: string, port: number, { protocol }: Asked): string {
  return protocol === 'icmp' || protocol === 'roce' ? address : endpointText(address, port)
}

function nameOf(ids: ReadonlyMap<string, number>, wanted: number | null): string | undefined {
  for (const [name, id] of ids) if (id === wanted) return name
  return undefined
}

function isHttp(mesh: Mesh, listener: string | undefined): boolean {
  return listener !== undefined && mesh.listeners?.[listener]?.protocol === 'http'
}

function arrival({ names, on, from, to }: Told, { source, destination }: FirstPacket): Words {
  const [sender, receiver] = [names.workload(source), names.workload(destination)]
  const who = [sender && `${from} is workload ${sender}`, receiver && `${to} is workload ${receiver}`].filter(Boolean)
  return ['port', on, 'comes in', who.length > 0 ? who.join(', ') : "neither address is a workload's"]
}

/** Which route a request takes is not said yet. */
function requestStep(mesh: Mesh, { http }: Asked, listener: string | undefined): Words[] {
  if (!http || !isHttp(mesh, listener)) return []
  return [
    ['request', `${http.host ?? ''}${http.path ?? ''}`, 'not looked at', 'routes of requests are not explained yet'],
  ]
}

/** An `iface` with `take: matched` takes only what is claimed. */
function keptByKernel(mesh: Mesh, on: string, said: NativeExplanation): Words | undefined {
  const port = Object.hasOwn(mesh.ports, on) ? mesh.ports[on] : undefined
  if (port?.type !== 'iface' || port.take !== 'matched') return undefined
  if (said.service !== null || said.listener !== null) return undefined
  return [
    'port',
    on,
    'left to the kernel',
    'with take: matched it takes what is for a service or listener, and replies',
  ]
}
