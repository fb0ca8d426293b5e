import {
  boolean,
  duration,
  either,
  list,
  object,
  oneOrMany,
  optional,
  tagged,
  literal,
  text,
  texts,
  whole,
  word,
  type Static,
} from '../kit.js'
import { Type } from '@sinclair/typebox'

const hour = 3_600_000

const most = (description: string) => whole({ minimum: 1, maximum: 4_294_967_295, description })

const proxyProtocol = object(
  { trusted: list(text('prefix'), { description: 'The clients that are believed; all others are reset.' }) },
  {
    description:
      'Clients begin with a PROXY header, version 1 or 2, that says for whom they speak (as HAProxy and cloud load ' +
      'balancers send it).',
  },
)

const listenerFields = {
  address: oneOrMany(text('destination'), {
    description:
      'The addresses that it listens on. Of a prefix it intercepts, from whoever is behind a port, what passes through to ' +
      'any address in it; of several the longest.',
  }),
  port: whole({ minimum: 1, maximum: 65_535, description: 'The transport port that it listens on.' }),
  protocol: word(['http', 'https', 'tcp', 'tls'], { description: 'What it speaks.' }),
  maxConnections: optional(most('Connections at once, at most; more are reset. Default: no limit.')),
  maxConnectionsPerClient: optional(most('The same of one client address. Default: no limit.')),
  proxyProtocol: optional(proxyProtocol),
}
export const listener = object(
  { ...listenerFields, on: optional(text('name', { description: 'The port. Default: any.' })) },
  { description: 'Connections that flatproxy terminates.' },
)

const match = object({
  path: optional(
    object({
      type: word(['Exact', 'PathPrefix', 'RegularExpression'], { description: 'As in the Gateway API.' }),
      value: Type.String({ minLength: 1, maxLength: 1024, description: 'The path, prefix or expression.' }),
    }),
  ),
  method: optional(Type.String({ pattern: '^[A-Z]{1,32}$', description: "The method, such as 'GET'." })),
})

const weight = whole({
  minimum: 0,
  maximum: 1_000_000,
  default: 1,
  description: 'Its share relative to the others; 0: none.',
})
const backend = either(
  ['service', 'handler', 'originalDestination'],
  [
    object({ service: text('name', { description: 'A service of this mesh.' }), weight: optional(weight) }),
    object({ handler: text('name', { description: 'A handler that `start` is given.' }), weight: optional(weight) }),
    object({
      originalDestination: boolean({
        description: 'true: whom the client has addressed, from its own address. For listeners that intercept.',
      }),
      weight: optional(weight),
    }),
  ],
  { description: 'Where requests go.' },
)

const hookFields = {
  type: literal('Hook'),
  timeout: duration({ minimum: 1, maximum: hour, description: 'For its answer.' }),
  onTimeout: word(['deny', 'continue'], { description: 'What happens to the request then.' }),
}
const headerModifier = object({
  type: literal('RequestHeaderModifier'),
  set: optional(texts({ description: 'Headers that are replaced.' })),
  add: optional(texts({ description: 'Headers that are added to.' })),
  remove: optional(list(Type.String({ minLength: 1 }), { description: 'Headers that are removed.' })),
})
const filter = tagged('type', [
  object({ ...hookFields, hook: text('name', { description: 'A hook that `start` is given.' }) }),
  headerModifier,
])

const ruleFields = {
  matches: optional(list(match, { description: 'Requests that the rule is for: any of these. Default: all.' })),
  timeouts: optional(
    object({
      request: optional(duration({ minimum: 0, maximum: hour, description: 'For the whole exchange. 0: no limit.' })),
      backendRequest: optional(duration({ minimum: 0, maximum: hour, description: 'For one try. 0: no limit.' })),
      connect: optional(
        duration({
          minimum: 1,
          maximum: hour,
          default: 5_000,
          description: 'For an endpoint to take a connection, and for a PROXY header to come.',
        }),
      ),
      idle: optional(
        duration({
          minimum: 1,
          maximum: 24 * hour,
          default: hour,
          description: 'TCP: a connection that carries nothing for so long, either way, is reset.',
        }),
      ),
    }),
  ),
}
export const rule = object({
  ...ruleFields,
  filters: optional(list(filter, { description: 'What is done to a request on its way, in order.' })),
  backendRefs: list(backend, { description: 'Where requests go, by weight.' }),
})

const routeFields = {
  name: text('name', { description: 'The name of the route, unique among routes.' }),
  hostnames: optional(list(text('hostname'), { description: 'Hosts that the route is for. Default: any.' })),
}
export const route = object(
  {
    ...routeFields,
    listeners: optional(list(text('name'), { description: 'Listeners that the route is for. Default: any.' })),
    rules: list(rule),
  },
  {
    description:
      'Requests by host name, path and method, as HTTPRoute of the Gateway API; from listeners of protocol tcp, whole ' +
      'connections, as TCPRoute.',
  },
)

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

/** What a listener says beside its port. */
export type ListenerFields = Static<ReturnType<typeof object<typeof listenerFields>>>
/** What a request has to be for a rule to be about it, as in the Gateway API. */
export type Match = Static<typeof match>
/** What a filter that calls a hook says beside its name. */
export type HookFields = Static<ReturnType<typeof object<typeof hookFields>>>
/** Changes the headers of a request, as in the Gateway API. */
export type RequestHeaderModifier = Static<typeof headerModifier>
/** What a rule says beside its filters and backends. */
export type RuleFields = Static<ReturnType<typeof object<typeof ruleFields>>>
/** What a route says beside its listeners and rules. */
export type RouteFields = Static<ReturnType<typeof object<typeof routeFields>>>
/** What a policy says beside its peers. */
export type PolicyFields = Static<ReturnType<typeof object<typeof policyFields>>>
