import type { NativeStep } from '../native.js'
import type { Told, Words } from './explain-words.js'

const serviceName = ({ names }: Told, id: number | null) => names.service(id ?? -1) ?? ''

/** The steps of what comes of a connection that a listener takes; see `words`. */
export const relayWords: Readonly<Record<string, (told: Told, step: NativeStep) => Words>> = {
  speaks_for: ({ from }) => ['client', from, 'not known', 'a PROXY header is to say who it is; it is taken as itself'],
  request_malformed: (_, { id, at }) => ['request', '', `answered ${id}`, `it is refused: ${at}`],
  request_unrouted: (_, { id }) => [
    'route',
    '',
    `answered ${id}`,
    'no rule of a route of the listener matches the request',
  ],
  request_route: (_, { id, at, via }) => [
    'route',
    `${at} rules[${id}]`,
    'matches',
    `${via === '' ? 'one of its matches' : via}; of what matches, it is the most specific`,
  ],
  request_redirected: (_, { id, at }) => ['request', at, `redirected ${id}`, 'its rule has a redirect filter'],
  request_answered: (_, { id }) => ['request', '', `answered ${id}`, 'its rule answers itself'],
  request_changed: (_, { at }) => ['request', '', 'changed', at],
  backend_other: (told, { id, at }) => [
    'backend',
    serviceName(told, id),
    'not now',
    `its weight is ${at}; it is not its turn`,
  ],
  backend: (told, { id, at }) => [
    'backend',
    serviceName(told, id),
    'chosen',
    `its weight is ${at}, and it is its turn`,
  ],
  backend_original: (_, { at }) => [
    'backend',
    at,
    'chosen',
    'the listener intercepts: it is whom the client has asked for',
  ],
  no_backend: () => ['backend', '', 'none', 'none has a weight above 0; requests are answered with 500'],
  endpoint_named: () => ['endpoint', '', 'named', "the request's cookie names it"],
  answered_403: () => ['request', '', 'answered 403', 'policies do not let the client have its endpoint'],
  answered_503: () => ['request', '', 'answered 503', 'there is nobody to send it to'],
  reset: () => ['connection', '', 'reset', 'it was accepted, and has nowhere to go'],
}
