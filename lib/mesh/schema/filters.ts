import {
  duration,
  list,
  literal,
  named,
  number,
  object,
  optional,
  tagged,
  text,
  whole,
  word,
  type Static,
} from '../kit.js'

const fields = (description: string) => optional(named(text('fieldValue'), { description }, 'token'))

const changes = {
  set: fields('Headers that are replaced.'),
  add: fields('Headers that are added to.'),
  remove: optional(list(text('token'), { description: 'Headers that are removed.' })),
}
const requestHeaderModifier = object(
  { type: literal('RequestHeaderModifier'), ...changes },
  { description: 'Changes the headers of a request.' },
)
const responseHeaderModifier = object(
  { type: literal('ResponseHeaderModifier'), ...changes },
  { description: 'Changes the headers of a response.' },
)

const pathChange = tagged(
  'type',
  [
    object({
      type: literal('ReplaceFullPath'),
      replaceFullPath: text('fullPath', { maxLength: 1_024, description: 'In place of the whole path.' }),
    }),
    object({
      type: literal('ReplacePrefixMatch'),
      replacePrefixMatch: text('prefixPath', {
        maxLength: 1_024,
        description: 'In place of the prefix that has matched.',
      }),
    }),
  ],
  { description: 'Another path.' },
)

const requestRedirect = object(
  {
    type: literal('RequestRedirect'),
    scheme: optional(word(['http', 'https'], { description: 'Default: that of the request.' })),
    hostname: optional(text('host', { description: 'Default: that of the request.' })),
    path: optional(pathChange),
    port: optional(
      whole({
        minimum: 1,
        maximum: 65_535,
        description: "Default: the scheme's own when there is `scheme`, else the listener's.",
      }),
    ),
    statusCode: optional(number([301, 302, 303, 307, 308], { default: 302, description: 'The status of the answer.' })),
  },
  { description: 'Answers with another place to ask at.' },
)

const urlRewrite = object(
  {
    type: literal('URLRewrite'),
    hostname: optional(text('host', { description: 'In place of the Host that the client has asked for.' })),
    path: optional(pathChange),
  },
  { description: 'Changes what an endpoint is asked for.' },
)

const directResponse = object(
  {
    type: literal('DirectResponse'),
    status: whole({ minimum: 200, maximum: 599, description: 'The status of the answer.' }),
    headers: fields('Its headers. Content-Length comes by itself.'),
    body: optional(text('body', { description: 'Its body: up to 8192 bytes in UTF-8. Default: none.' })),
  },
  { description: 'Answers by itself.' },
)

const hookFields = {
  type: literal('Hook'),
  timeout: duration({ minimum: 1, maximum: 3_600_000, description: 'For its answer.' }),
  onTimeout: word(['deny', 'continue'], { description: 'What happens to the request then.' }),
}

/** What is done to requests that match a rule, and to their responses. */
export const filter = tagged('type', [
  object({ ...hookFields, hook: text('name', { description: 'A hook that `start` is given.' }) }),
  requestHeaderModifier,
  responseHeaderModifier,
  requestRedirect,
  urlRewrite,
  directResponse,
])
/** What is done to requests that go to one backend of a rule. */
export const backendFilter = tagged('type', [requestHeaderModifier, responseHeaderModifier])

/** What a filter that calls a hook says beside its name. */
export type HookFields = Static<ReturnType<typeof object<typeof hookFields>>>
/** Changes the headers of a request, as in the Gateway API. */
export type RequestHeaderModifier = Static<typeof requestHeaderModifier>
/** Changes the headers of a response, as in the Gateway API. */
export type ResponseHeaderModifier = Static<typeof responseHeaderModifier>
/** Answers with another place to ask at, as in the Gateway API. */
export type RequestRedirect = Static<typeof requestRedirect>
/** Changes what an endpoint is asked for, as in the Gateway API. */
export type URLRewrite = Static<typeof urlRewrite>
/** Answers by itself. */
export type DirectResponse = Static<typeof directResponse>
