import {
  boolean,
  duration,
  either,
  list,
  object,
  oneOrMany,
  optional,
  rate,
  text,
  texts,
  whole,
  word,
  wordOr,
  type Static,
} from '../kit.js'

const number = (description: string) => whole({ minimum: 1, maximum: 65_535, description })

const forwardFields = {
  to: text('prefix', { description: 'The destinations.' }),
  via: optional(text('address', { description: 'The next hop. Default: the destination itself is a neighbour.' })),
}
export const forward = object(
  { ...forwardFields, on: text('name', { description: 'The port that leads there.' }) },
  { description: 'An L3 route.' },
)

const workloadFields = {
  addresses: list(text('address'), { description: 'Its addresses. They are routed to its port.' }),
  labels: optional(texts({ description: 'Labels, for the selectors of policies.' })),
  identity: optional(text<`spiffe://${string}`>('spiffe', { description: 'Its SPIFFE ID.' })),
}
export const workload = object(
  { ...workloadFields, on: text('name', { description: "The port that it is behind, or 'host': the node itself." }) },
  { description: 'Something behind a port.' },
)

export const endpointFields = {
  port: number('The transport port of the endpoint.'),
  weight: optional(
    whole({
      minimum: 0,
      maximum: 65_535,
      default: 1,
      description: 'Its share of new flows relative to the others; 0: none.',
    }),
  ),
  drain: optional(boolean({ default: false, description: 'Flows that run go on; new ones go to other endpoints.' })),
}
export const endpoint = either(
  ['workload', 'address'],
  [
    object({ workload: text('name', { description: 'The workload that answers.' }), ...endpointFields }),
    object({ address: text('address', { description: 'The address that answers.' }), ...endpointFields }),
  ],
  { description: 'One that answers for a service.' },
)

const count = (value: number, description: string) => whole({ minimum: 1, maximum: 100, default: value, description })
export const healthCheck = object(
  {
    interval: optional(
      duration({
        minimum: 100,
        maximum: 3_600_000,
        default: '5s',
        description: 'Between two probes. From 100 ms to 1 h.',
      }),
    ),
    timeout: optional(
      duration({
        minimum: 10,
        maximum: 3_600_000,
        default: '1s',
        description: 'For the answer; at most the interval.',
      }),
    ),
    healthy: optional(count(2, 'Successes in a row that make an endpoint healthy.')),
    unhealthy: optional(count(3, 'Failures in a row that make it unhealthy.')),
    jitter: optional(rate('Share of the interval that each probe is moved by, at random.', 0.1)),
  },
  { description: 'Probes every endpoint with a TCP SYN. All values have defaults: `{}` switches it on.' },
)

const hashOn = wordOr(
  word(['source']),
  either(
    ['header', 'cookie'],
    [
      object({ header: text('token', { description: 'The header that is hashed.' }) }),
      object({ cookie: text('token', { description: 'The cookie that is hashed.' }) }),
    ],
  ),
  {
    description:
      "What of a request is hashed, where `balance` is 'maglev' or 'ringHash': the client's address, or the value of a " +
      'header or cookie (without it, the address). Default: the address.',
  },
)
const sessionAffinity = object(
  {
    cookie: text('token', { description: 'The name of the cookie.' }),
    ttl: optional(
      duration({
        minimum: 1_000,
        maximum: 365 * 24 * 3_600_000,
        description: "How long it lives, to the second. Default: the client's session.",
      }),
    ),
  },
  { description: "Requests of one client go to one endpoint, which a cookie of flatproxy's own names." },
)
export const pool = object(
  {
    maxPending: optional(
      whole({
        minimum: 1,
        maximum: 1_048_576,
        default: 1_024,
        description: 'Requests that wait for a connection to one endpoint, at most; 503 above it.',
      }),
    ),
    idleTimeout: optional(
      duration({
        minimum: 10,
        maximum: 24 * 3_600_000,
        default: '60s',
        description: 'A connection without a request is closed after it.',
      }),
    ),
    maxRequests: optional(
      whole({
        minimum: 1,
        maximum: 4_294_967_295,
        description: 'Requests of one connection; then it is closed. Default: no limit.',
      }),
    ),
    eject: optional(
      object(
        {
          failures: optional(
            whole({
              minimum: 1,
              maximum: 1_000,
              default: 5,
              description: 'In a row: no connection, a reset, a timeout, or a status from 500 on.',
            }),
          ),
          for: optional(
            duration({ minimum: 100, maximum: 3_600_000, default: '30s', description: 'How long it is passed over.' }),
          ),
        },
        { default: {}, description: 'When an endpoint that fails requests is passed over.' },
      ),
    ),
  },
  { description: 'Connections that are kept to endpoints for the requests of http listeners.' },
)

export const serviceFields = {
  address: optional(oneOrMany(text('address'), { description: 'The virtual addresses.' })),
  port: number('The transport port of the virtual addresses.'),
  protocol: optional(word(['tcp', 'udp'], { default: 'tcp', description: 'The transport protocol.' })),
  balance: optional(
    word(['maglev', 'roundRobin', 'leastRequest', 'ringHash'], {
      default: 'maglev',
      description:
        "How a new flow finds its endpoint. 'maglev': by a hash that changes little when endpoints do. 'roundRobin': in " +
        "turn. 'leastRequest': the one with the fewest open flows. 'ringHash': by a hash ring, which moves the fewest and spreads them less evenly.",
    }),
  ),
  hashOn: optional(hashOn),
  affinity: optional(word(['source'], { description: "'source': flows of one client address go to one endpoint." })),
  sessionAffinity: optional(sessionAffinity),
  healthCheck: optional(healthCheck),
  http: optional(pool),
  maxConnections: optional(
    whole({
      minimum: 1,
      maximum: 4_294_967_295,
      description: 'Connections that listeners open to one endpoint, at most. Default: no limit.',
    }),
  ),
  sourceAddress: optional(
    word(['own', 'client'], {
      default: 'own',
      description:
        "Where connections that listeners open come from: an own address of the port, or the client's, with its port if " +
        'that is free. Replies to clients must then pass through flatproxy.',
    }),
  ),
  proxyProtocol: optional(
    word(['v1', 'v2'], { description: 'Connections that listeners open begin with a PROXY header of this version.' }),
  ),
}
export const service = object(
  { ...serviceFields, endpoints: list(endpoint, { description: 'Those that answer; may be empty.' }) },
  { description: 'A virtual address and the endpoints behind it.' },
)

/** What an L3 route says beside its port. */
export type ForwardFields = Static<ReturnType<typeof object<typeof forwardFields>>>
/** What a workload says beside its port. */
export type WorkloadFields = Static<ReturnType<typeof object<typeof workloadFields>>>
/** What an endpoint says beside who it is. */
export type EndpointFields = Static<ReturnType<typeof object<typeof endpointFields>>>
/** What a service says beside its endpoints. */
export type ServiceFields = Static<ReturnType<typeof object<typeof serviceFields>>>
/** Active health checking of a service's endpoints. */
export type HealthCheck = Static<typeof healthCheck>
/** Connections that are kept to a service's endpoints for requests. */
export type Pool = Static<typeof pool>
