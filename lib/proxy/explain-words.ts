import type { Mesh } from '../mesh/types.js'
import type { NativeStep } from '../native.js'
import { frameWords } from './frame-words.js'
import { firstHostSide, type Names } from './names.js'
import { relayWords } from './relay-words.js'

/** A step of an explanation: what was looked at, by name, what came out, and why. */
export type Words = readonly [stage: string, object: string, outcome: string, why: string]

/** What steps are put into words with. */
export interface Told {
  readonly mesh: Mesh
  readonly names: Names
  readonly on: string
  readonly from: string
  readonly to: string
  /** The service that has been found. */
  readonly service: number | null
  readonly listener: string | undefined
}

const policyName = ({ mesh }: Told, id: number | null) => (id === null ? '' : (mesh.policies?.[id]?.name ?? ''))
const portName = ({ names }: Told, id: number | null) => names.port(id ?? -1)

/** The stage of a policy that goes on. */
const goingOn = ({ mesh }: Told, id: number | null) => `policy ${mesh.policies?.[id ?? -1]?.direction ?? 'ingress'}`

function limitText({ mesh }: Told, id: number | null): string {
  const { rate, of, per = 'second', burst = rate } = mesh.policies![id!]!.limit!
  return `${rate} ${of} per ${per}, ${burst} at once`
}

/** What policies of one direction say; `who` is the side that they judge for. */
const policies = (direction: 'egress' | 'ingress', who: 'sender' | 'receiver') => {
  const stage = `policy ${direction}`
  const others = `${who === 'sender' ? 'from' : 'to'} the ${who}`
  return {
    [`${direction}_none`]: () => [stage, who, 'no opinion', `no policy judges this flow ${others}`],
    [`${direction}_allowed`]: (told, { id }) => [stage, policyName(told, id), 'allow', 'it matches the flow wholly'],
    [`${direction}_denied`]: (told, { id }) => [
      stage,
      policyName(told, id),
      'deny',
      'the first that denies, and matches',
    ],
    [`${direction}_rejected`]: (told, { id }) => [
      stage,
      policyName(told, id),
      'reject',
      'the first that denies, and matches',
    ],
    [`${direction}_isolated`]: (told, { id, at }) => [
      stage,
      policyName(told, id),
      'deny',
      `it isolates the ${who}, and no policy allows this flow ${others}: of this one, '${at}' does not match`,
    ],
  } satisfies Record<string, (told: Told, step: NativeStep) => Words>
}

/** By the addon's names of steps, of which there are no others. */
export const words: Readonly<Record<string, (told: Told, step: NativeStep) => Words>> = {
  ...frameWords,
  ...relayWords,
  joined: (told, { id }) => [
    'joined',
    portName(told, id),
    'passes on',
    `${told.on} is joined with it; nothing else is looked at`,
  ],
  source_invalid: ({ from }) => ['address', from, 'drop', 'no host sends from such an address'],
  destination_invalid: ({ to }) => ['address', to, 'drop', 'such an address never comes on a wire'],
  destination_many: ({ to }) => ['address', to, 'drop', 'it is of a group, or of everybody; those are not carried'],
  listener: ({ listener = '', to }) => [
    'listener',
    listener,
    'takes it',
    `it takes connections to ${to}, which end here`,
  ],
  no_listener: ({ to }) => ['listener', to, 'none', 'no listener takes connections to it'],
  connection: ({ from, to }) => [
    'connection',
    `${from} > ${to}`,
    'takes it',
    'a connection that ends here has these addresses',
  ],
  source_home: ({ from, on }) => ['source', from, 'admitted', `its workload is behind ${on}`],
  source_elsewhere: (told, { id }) => [
    'source',
    told.from,
    'drop',
    `it is a workload's, behind ${portName(told, id)}, not ${told.on}`,
  ],
  source_routed: ({ from, on }, { at }) => ['source', from, 'admitted', `${at} is routed to ${on}`],
  source_unrouted: ({ from, on }) => [
    'source',
    from,
    'drop',
    `workloads are behind ${on}, and it is neither theirs nor routed there`,
  ],
  source_free: ({ from, on }) => ['source', from, 'admitted', `it is no workload's, and no workload is behind ${on}`],
  mid_stream: () => [
    'flow',
    '',
    'met in mid-stream',
    'it is TCP without a SYN, and may as well run the other way: both must be allowed',
  ],
  no_flow: () => ['flow', '', 'drop', 'it is TCP that opens no flow, and belongs to none'],
  flowless: () => ['flow', '', 'none', 'it is of a kind that belongs to no flow: it is judged by itself'],
  out_of_window: () => ['flow', '', 'drop', 'its sequence numbers are outside of what the flow allows'],
  wrong_state: () => ['flow', '', 'drop', 'such a segment cannot come in the state that the flow is in'],
  flow: (_, { at }) => ['flow', at, 'found', 'the packet belongs to a flow that runs, whose way it goes'],
  service: ({ names, to }, { id }) => ['service', names.service(id!) ?? '', 'found', `${to} is its address`],
  reply: ({ names, from }, { id }) => [
    'service',
    names.service(id!) ?? '',
    'found',
    `${from} is one of its endpoints, and a flow that it would answer is met in mid-stream`,
  ],
  no_service: ({ to }) => ['service', to, 'none', 'no service has this address, port and protocol'],
  own_node: ({ to }) => ['own address', to, 'the node', "it is the node's own; its stack answers"],
  own_echo: ({ to }) => ['own address', to, 'answered', 'it is an address of flatproxy, which answers the echo itself'],
  own_refused: ({ to }) => ['own address', to, 'reject', 'it is an address of flatproxy, and nothing takes this port'],
  draining: () => ['drain', '', 'reject', 'the proxy is being closed: it takes no new flows'],
  endpoint: ({ names, service }, { id, at }) => [
    'endpoint',
    names.endpoint(service ?? -1, id!) ?? at,
    'chosen',
    `the balancer gives it; the flow goes to ${at}`,
  ],
  no_endpoint: ({ names, service }) => [
    'endpoint',
    names.service(service ?? -1) ?? '',
    'reject',
    'it has no endpoint of this IP version that takes new flows',
  ],
  source_port: (_, { id }) => [
    'source port',
    String(id),
    'moved',
    "the endpoint knows the client's own from another flow",
  ],
  no_source_port: ({ from }) => [
    'source port',
    from,
    'reject',
    'the endpoint knows all ports that were tried from other flows',
  ],
  untracked: () => ['flow', '', 'none', 'only flows of services are tracked'],
  ...policies('egress', 'sender'),
  ...policies('ingress', 'receiver'),
  default_allow: () => ['policy default', 'policyDefault', 'allow', 'no policy allows or denies the flow'],
  default_deny: () => ['policy default', 'policyDefault', 'deny', 'no policy allows or denies the flow'],
  log: (told, { id }) => [
    goingOn(told, id),
    policyName(told, id),
    'log',
    'it matches, and flow:logged tells of the flow',
  ],
  limit: (told, { id }) => [
    goingOn(told, id),
    policyName(told, id),
    'limit',
    `it matches: at most ${limitText(told, id)}`,
  ],
  mirror: (told, { id }) => [
    goingOn(told, id),
    policyName(told, id),
    'mirror',
    `it matches: copies of the flow's packets go to ${told.mesh.policies![id!]!.mirror!.port}`,
  ],
  route: (told, { id, at, via }) => [
    'route',
    at,
    `by ${portName(told, id)}`,
    via === ''
      ? 'the longest prefix that holds the receiver, which is the neighbour'
      : `the longest prefix that holds the receiver; the neighbour is ${via}`,
  ],
  no_route: ({ to }) => ['route', to, 'reject', 'no route, workload or own address holds the receiver'],
  no_port: ({ on }) => ['port', on, 'gone', 'the mesh has no such port'],
  hops_over: () => ['hops', '', 'reject', 'its TTL or hop limit is used up here'],
  too_big: (told, { id, at }) => [
    'port',
    told.names.port((id ?? 0) % firstHostSide),
    'reject',
    `the packet is larger than its MTU, ${at} bytes`,
  ],
  back_to_node: () => ['route', 'host', 'by host', "the flow came from the node's own stack"],
}

/** A step of the addon's in words. */
export function inWords(told: Told, step: NativeStep): Words {
  return words[step.step]!(told, step)
}
