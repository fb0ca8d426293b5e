import {
  boolean,
  duration,
  either,
  list,
  object,
  optional,
  text,
  whole,
  word,
  type Static,
  type TSchema,
} from '../kit.js'
import { Type } from '@sinclair/typebox'
import { backendFilter, filter } from './filters.js'

const hour = 3_600_000

const path = object(
  {
    type: word(['Exact', 'PathPrefix', 'RegularExpression'], {
      description:
        'The whole path; its first elements; or an expression (of RE2) that the whole path has to match. Case counts.',
    }),
    value: text('line', { maxLength: 1_024, description: 'The path, prefix or expression.' }),
  },
  { description: "The path of the request. Default: PathPrefix '/'." },
)
const kindOfMatch = optional(
  word(['Exact', 'RegularExpression'], {
    default: 'Exact',
    description: 'Whether the value is meant as it is, or as an expression (of RE2) that the whole value has to match.',
  }),
)
const headerMatch = object({
  type: kindOfMatch,
  name: text('token', { description: 'The name, in upper or lower case.' }),
  value: text('line', { description: 'The value. Of a header that comes several times: all values, joined by `, `.' }),
})
const queryMatch = object({
  type: kindOfMatch,
  name: text('line', { maxLength: 256, description: 'The name, decoded.' }),
  value: text('line', {
    maxLength: 1_024,
    description: 'The value, decoded. Of a name that comes several times: the first.',
  }),
})
/** Matches of headers, or of query parameters. The limit is that of the Gateway API. */
const some = <T extends TSchema>(item: T, description: string) => optional(list(item, { maxItems: 16, description }))
const match = object(
  {
    path: optional(path),
    method: optional(Type.String({ pattern: '^[A-Z]{1,32}$', description: "The method, such as 'GET'." })),
    headers: some(headerMatch, 'Headers that the request has: all of these, at most 16.'),
    queryParams: some(queryMatch, 'Query parameters that the request has: all of these, at most 16.'),
  },
  { description: 'What a request has to be: all of it.' },
)

const backendFields = {
  weight: optional(
    whole({
      minimum: 0,
      maximum: 1_000_000,
      default: 1,
      description: 'Its share relative to the others; 0: none.',
    }),
  ),
  filters: optional(
    list(backendFilter, { description: 'Changes of headers, for requests that go there and their responses.' }),
  ),
}
const backend = either(
  ['service', 'handler', 'originalDestination'],
  [
    object({ service: text('name', { description: 'A service of this mesh.' }), ...backendFields }),
    object({ handler: text('name', { description: 'A handler that `start` is given.' }), ...backendFields }),
    object({
      originalDestination: boolean({
        description: 'true: whom the client has addressed, from its own address. For listeners that intercept.',
      }),
      ...backendFields,
    }),
  ],
  { description: 'Where requests go.' },
)

const retry = object(
  {
    attempts: optional(
      whole({ minimum: 0, maximum: 10, default: 1, description: 'How often it is sent again, at most.' }),
    ),
    codes: optional(
      list(whole({ minimum: 400, maximum: 599, description: 'A status.' }), {
        default: [],
        description: 'Statuses of responses after which it is tried again, 400 to 599.',
      }),
    ),
    backoff: optional(
      duration({
        minimum: 1,
        maximum: 60_000,
        default: '25ms',
        description: 'Before the first of them; it doubles from one to the next, and is varied at random.',
      }),
    ),
    on: optional(
      list(word(['connectFailure', 'reset', 'timeout']), {
        default: ['connectFailure', 'reset'],
        description:
          'After what else: no connection came up; it ended before the first byte of a response; none came within `backendRequest`. Default: the first two.',
      }),
    ),
  },
  { description: 'When a request is sent again: to another endpoint, if there is one. Default: never.' },
)

const ruleFields = {
  matches: optional(list(match, { description: 'Requests that the rule is for: any of these. Default: all.' })),
  timeouts: optional(
    object(
      {
        request: optional(duration({ minimum: 0, maximum: hour, description: 'For the whole exchange. 0: no limit.' })),
        backendRequest: optional(duration({ minimum: 0, maximum: hour, description: 'For one try. 0: no limit.' })),
        connect: optional(
          duration({
            minimum: 1,
            maximum: hour,
            default: 5_000,
            description: 'Of tcp: for an endpoint to take a connection, and for a PROXY header to come.',
          }),
        ),
        idle: optional(
          duration({
            minimum: 1,
            maximum: 24 * hour,
            default: hour,
            description: 'Of tcp: a connection that carries nothing for so long, either way, is reset.',
          }),
        ),
      },
      { description: 'How long things may take.' },
    ),
  ),
  retry: optional(retry),
}
export const rule = object({
  ...ruleFields,
  filters: optional(
    list(filter, { description: 'What is done to a request on its way, and to its response. Each kind once.' }),
  ),
  backendRefs: optional(
    list(backend, {
      description: 'Where requests go, by weight. Left out when a redirect or a direct response answers.',
    }),
  ),
})

const routeFields = {
  name: text('name', { description: 'The name of the route, unique among routes.' }),
  hostnames: optional(list(text('hostname'), { description: 'Hosts that the route is for. Default: any.' })),
}
export const route = object(
  {
    ...routeFields,
    listeners: optional(
      list(text('name'), { description: 'Listeners that the route is for. Default: all of protocol http.' }),
    ),
    rules: list(rule),
  },
  {
    description:
      'Requests by host name, path and method, as HTTPRoute of the Gateway API; from listeners of protocol tcp, whole ' +
      'connections, as TCPRoute.',
  },
)

/** What a request has to be for a rule to be about it, as in the Gateway API. */
export type Match = Static<typeof match>
/** What a rule says beside its filters and backends. */
export type RuleFields = Static<ReturnType<typeof object<typeof ruleFields>>>
/** What a route says beside its listeners and rules. */
export type RouteFields = Static<ReturnType<typeof object<typeof routeFields>>>
/** What a backend says beside what it is. */
export type BackendFields = Static<ReturnType<typeof object<typeof backendFields>>>
