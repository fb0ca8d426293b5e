import type { Explanation, Frame, Tuple } from '../api.js'
import type { MeshIds } from '../mesh/plan.js'
import type { Mesh } from '../mesh/types.js'
import type { Addon, FirstPacket, FrameAsked, NativeAnswer, NativeExplanation } from '../native.js'
import { packetIn, type Asked, type Ends } from './explain-frame.js'
import { inWords, type Told, type Words } from './explain-words.js'
import { endpointText, type Names } from './names.js'

type Step = Explanation['steps'][number]

/** What explanations are put into words with. */
interface Vocabulary {
  readonly addon: Addon
  readonly planner: MeshIds
  readonly names: Names
  /** Told before all else. */
  readonly beforehand?: readonly Words[]
}

/** And what is explained. */
export interface Explained extends Vocabulary {
  readonly input: Asked
  readonly packet: Ends
}

/** What the addon answers, with the mesh's names. */
export function answerOf(
  said: NativeAnswer,
  asked: { readonly input: Tuple | Frame; readonly question: FirstPacket | FrameAsked },
  words: Vocabulary,
): Explanation {
  const about = said.frame
    ? packetIn(said.frame, asked.input.on)
    : { input: asked.input as Tuple, packet: asked.question as FirstPacket }
  return explanationOf(said, { ...words, ...about })
}

/** What the addon says of a packet, with the mesh's names. */
export function explanationOf(said: NativeExplanation, about: Explained): Explanation {
  const { addon, planner, names, input, packet } = about
  const mesh = planner.mesh!
  const { name: reason, verdict } = addon.reasons[said.reason]!
  const listener = said.listener === null ? undefined : names.listener(said.listener)
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
  const steps = [...(about.beforehand ?? []), arrival(told, packet), ...said.steps.map((step) => inWords(told, step))]
  const left = keptByKernel(mesh, input.on, said)
  if (left) steps.push(left)
  const policy = said.policy === null ? undefined : mesh.policies?.[said.policy]?.name
  const service = said.service === null ? undefined : names.service(said.service)
  const endpoint = said.endpoint === null ? undefined : names.endpoint(said.service!, said.endpoint)
  const exit = said.exit === null ? undefined : names.port(said.exit)
  return withText(told, input, {
    verdict: left ? 'forward' : verdictOf(verdict, said),
    reason: left ? 'left_to_kernel' : reason,
    tier: left ? 'kernel' : isHttp(mesh, listener) ? 'l7' : 'lane',
    ...(policy !== undefined && { policy }),
    ...(service !== undefined && { service }),
    ...(endpoint !== undefined && { endpoint }),
    ...(exit !== undefined && !left && { exit }),
    steps: steps.map(([stage, object, outcome, why]) => ({ stage, object, outcome, why })),
  })
}

/** A client that may not have its endpoint has a connection: it is told, whatever the action. */
function verdictOf(verdict: string, { listener, endpoint }: NativeExplanation): Explanation['verdict'] {
  if (verdict === 'drop' && listener !== null && endpoint !== null) return 'reject'
  return verdict === 'answer' ? 'terminate' : (verdict as Explanation['verdict'])
}

function withText(told: Told, { protocol, vlan = 0 }: Asked, explanation: Omit<Explanation, 'toString'>): Explanation {
  const { verdict, reason, policy, endpoint, exit, steps } = explanation
  const ends = [policy && `policy ${policy}`, endpoint && `endpoint ${endpoint}`, exit && `exit ${exit}`].filter(
    Boolean,
  )
  const way = told.from === '' ? protocol : `${protocol} ${told.from} > ${told.to}`
  const tag = vlan === 0 ? '' : ` in VLAN ${vlan}`
  const head = `${way} by ${told.on}${tag}: ${[`${verdict} (${reason})`, ...ends].join(', ')}`
  const text = [head, ...steps.map(stepText)].join('\n')
  return Object.defineProperty({ ...explanation }, 'toString', { value: () => text })
}

function stepText({ stage, object, outcome, why }: Step): string {
  return `  ${stage}${object === '' ? '' : ` ${object}`}: ${outcome} (${why})`
}

function endOf(address: string, port: number, { protocol, bare }: Asked): string {
  return bare || protocol === 'icmp' || protocol === 'roce' ? address : endpointText(address, port)
}

function isHttp(mesh: Mesh, listener: string | undefined): boolean {
  const protocol = listener === undefined ? undefined : mesh.listeners?.[listener]?.protocol
  return protocol === 'http' || protocol === 'https'
}

function arrival({ names, on, from, to }: Told, { source, destination }: Ends): Words {
  const [sender, receiver] = [names.workload(source), names.workload(destination)]
  const who = [sender && `${from} is workload ${sender}`, receiver && `${to} is workload ${receiver}`].filter(Boolean)
  return ['port', on, 'comes in', who.length > 0 ? who.join(', ') : "neither address is a workload's"]
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
