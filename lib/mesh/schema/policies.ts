import {
  ifEmpty,
  list,
  either,
  object,
  oneOrMany,
  optional,
  text,
  texts,
  whole,
  word,
  wordOr,
  type Static,
} from '../kit.js'
import { roceClasses } from '../../roce.js'

/** Queue pairs have 24 bits. */
export const lastQueuePair = 0xffffff
/** The highest id that IEEE 802.1Q gives to VLANs. */
export const lastVlan = 4094

const peer = either(
  ['workload', 'labels', 'identity', 'cidr'],
  [
    object({ workload: text('name', { description: 'One workload.' }) }),
    object({ labels: texts({ description: 'Workloads that have all these labels; of `{}` every workload.' }) }),
    object({ identity: text('spiffe', { description: 'Workloads that have this SPIFFE ID.' }) }),
    object({
      cidr: oneOrMany(text('prefix'), { description: 'Addresses in these prefixes, also those of workloads.' }),
      except: optional(list(text('prefix'), { description: 'Parts of `cidr` that are left out.' })),
    }),
  ],
  { description: 'One side of a flow.' },
)
const policyPort = object({
  protocol: optional(
    text('ipProtocol', {
      description:
        "'tcp', 'udp', 'icmp' (of both IP versions), 'sctp', 'gre', 'esp', 'ah', 'roce' (RoCEv2, which is UDP to port " +
        "4791), or an IP protocol's number as text, '0' to '255'. Default: tcp, udp and sctp.",
    }),
  ),
  port: optional(
    whole({
      minimum: 1,
      maximum: 65_535,
      description: 'The destination port of tcp, udp or sctp, or the first of a range. Default: all.',
    }),
  ),
  endPort: optional(
    whole({ minimum: 1, maximum: 65_535, description: 'The last port of a range. Default: `port` alone.' }),
  ),
  qp: optional(
    whole({
      minimum: 0,
      maximum: lastQueuePair,
      description: "The destination's queue pair of roce, or the first of a range. Default: all.",
    }),
  ),
  endQp: optional(
    whole({
      minimum: 0,
      maximum: lastQueuePair,
      description: 'The last queue pair of a range. Default: `qp` alone.',
    }),
  ),
  opcodes: optional(
    list(word(roceClasses, { description: 'Opcodes of RoCEv2: what they are part of. NAKs are acknowledges.' }), {
      minItems: 1,
      [ifEmpty]: "leave 'opcodes' out for all",
      description: 'Classes of opcodes of roce, any of these. Default: all.',
    }),
  ),
})
const tokens = (description: string) => whole({ minimum: 1, maximum: 1_000_000_000_000, description })
const limit = object(
  {
    rate: tokens('How many in each interval.'),
    per: optional(word(['second', 'minute', 'hour'], { default: 'second', description: 'The interval.' })),
    of: word(['packets', 'bytes', 'flows'], {
      description:
        "What is counted: 'packets' on the wire, 'bytes' of IP packets, both of either direction together; 'flows': new ones.",
    }),
    burst: optional(tokens('How many at once. Default: as many as `rate`.')),
  },
  { description: "Of action 'limit': what all flows that it selects may have together." },
)
const mirror = object(
  {
    port: text('name', { description: 'The port that copies are sent to.' }),
    snapLength: optional(
      whole({ minimum: 14, maximum: 65_535, description: 'Bytes of a frame that are copied. Default: all.' }),
    ),
  },
  { description: "Of action 'mirror': where copies go." },
)
const vlanId = (description: string) => whole({ minimum: 0, maximum: lastVlan, description })
const vlans = wordOr(
  vlanId('The id of a VLAN; 0: without a tag.'),
  object({ id: vlanId('The first of a range of VLANs; 0: without a tag.'), endId: vlanId('The last one.') }),
)
const policyFields = {
  name: text('name', { description: 'The name of the policy, unique among policies.' }),
  direction: optional(
    word(['ingress', 'egress'], {
      default: 'ingress',
      description:
        "'ingress': about flows to its subject `to`, from its peers `from`. 'egress': about flows from its subject " +
        '`from`, to its peers `to`.',
    }),
  ),
  ports: optional(
    list(policyPort, {
      minItems: 1,
      [ifEmpty]: "leave 'ports' out for all protocols and ports",
      description: 'Protocols and ports that flows go to, any of these. Default: all.',
    }),
  ),
  action: word(['allow', 'deny', 'reject', 'log', 'limit', 'mirror'], {
    description:
      "What is done with the flows that it selects. 'allow' also isolates its subject: what no policy allows there is " +
      "denied. 'reject': denied, and the sender is told. 'log': the event flow:logged tells of them, and they go on to " +
      "the other policies. 'limit': likewise, but what is beyond `limit` is dropped. 'mirror': likewise, and " +
      'copies of their packets go to another port.',
  }),
  vlan: optional(
    oneOrMany(vlans, {
      [ifEmpty]: "leave 'vlan' out for all VLANs",
      description:
        'The VLANs that flows come in, any of these ids and ranges; 0: without a tag. Default: all. Tagged frames pass ' +
        "between joined ports alone. It does not matter to whom 'allow' isolates.",
    }),
  ),
  limit: optional(limit),
  mirror: optional(mirror),
}
export const policy = object(
  {
    ...policyFields,
    to: optional(
      oneOrMany(peer, {
        [ifEmpty]: "leave 'to' out for anyone",
        description: 'Who receives, any of these. Default: every workload (ingress), or anyone (egress).',
      }),
    ),
    from: optional(
      oneOrMany(peer, {
        [ifEmpty]: "leave 'from' out for anyone",
        description: 'Who sends, any of these. Default: anyone (ingress), or every workload (egress).',
      }),
    ),
    on: optional(
      oneOrMany(text('name'), {
        [ifEmpty]: "leave 'on' out for all ports",
        description:
          "The ports of the mesh that flows come by, any of these; 'host': from the node's own stack. Default: all. " +
          "It does not matter to whom 'allow' isolates.",
      }),
    ),
  },
  { description: 'Which flows may pass, as NetworkPolicy.' },
)

/** What a policy says beside its peers. */
export type PolicyFields = Static<ReturnType<typeof object<typeof policyFields>>>
