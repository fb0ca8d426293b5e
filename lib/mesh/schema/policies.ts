import { list, either, object, oneOrMany, optional, text, texts, whole, word, type Static } from '../kit.js'
import { Type } from '@sinclair/typebox'

const peer = either(
  ['workload', 'labels', 'identity', 'cidr'],
  [
    object({ workload: text('name', { description: 'One workload.' }) }),
    object({ labels: texts({ description: 'Workloads that have all these labels.' }) }),
    object({ identity: text('spiffe', { description: 'A SPIFFE ID.' }) }),
    object({
      cidr: oneOrMany(text('prefix'), { description: 'Addresses.' }),
      except: optional(list(text('prefix'), { description: 'Parts of `cidr` that are left out.' })),
    }),
  ],
  { description: 'One side of a flow.' },
)
const policyPort = object({
  protocol: optional(Type.String({ pattern: '^[a-z0-9]{1,16}$', description: "'tcp', 'udp', 'icmp'. Default: any." })),
  port: optional(whole({ minimum: 1, maximum: 65_535, description: 'The transport port, or the first of a range.' })),
  endPort: optional(whole({ minimum: 1, maximum: 65_535, description: 'The last port of a range.' })),
})
const policyFields = {
  name: text('name', { description: 'The name of the policy, unique among policies.' }),
  direction: optional(
    word(['ingress', 'egress'], { default: 'ingress', description: 'Seen from `to`, or from `from`.' }),
  ),
  ports: optional(list(policyPort, { description: 'Default: all.' })),
  action: word(['allow', 'deny', 'reject', 'log'], { description: 'What is done with the flows that it selects.' }),
}
export const policy = object(
  {
    ...policyFields,
    to: optional(oneOrMany(peer, { description: 'Who receives. Default: anyone.' })),
    from: optional(oneOrMany(peer, { description: 'Who sends. Default: anyone.' })),
  },
  { description: 'Which flows may pass, as NetworkPolicy.' },
)

/** What a policy says beside its peers. */
export type PolicyFields = Static<ReturnType<typeof object<typeof policyFields>>>
