import type { HttpStats, ListenerStats, Stats } from '../api.js'
import { counter, gauge, samplesBy, type Family } from './family.js'

/** Of listeners: their connections, TLS and requests. */
export function ofListeners(stats: Stats): Family[] {
  return [...ofConnections(stats), ...ofTls(stats), ...ofRequests(stats)]
}

/** How the connections of a listener ended that were not relayed, or not until both sides were done. */
// prettier-ignore
const listenerEnds = {
  overLimit: 'over_limit',
  noEndpoint: 'no_endpoint',
  policyDenied: 'policy_denied',
  connectFailures: 'connect_failed',
  badProxyHeaders: 'bad_proxy_header',
  idleTimeouts: 'idle_timeout',
  resets: 'reset',
} as const satisfies Partial<Record<keyof ListenerStats, string>>

function ofConnections({ listeners }: Stats): Family[] {
  const each = samplesBy('listener', listeners)
  const both = Object.entries(listeners).flatMap(([listener, { bytesUp, bytesDown }]) => [
    [{ listener, direction: 'up' }, bytesUp] as const,
    [{ listener, direction: 'down' }, bytesDown] as const,
  ])
  const ends = Object.entries(listeners).flatMap(([listener, counters]) =>
    Object.entries(listenerEnds).map(
      ([key, reason]) => [{ listener, reason }, counters[key as keyof typeof listenerEnds]] as const,
    ),
  )
  return [
    counter(
      'flatproxy_listener_new_connections',
      'Connections that clients have opened to a listener.',
      each((listener) => listener.newConnections),
    ),
    gauge(
      'flatproxy_listener_active_connections',
      'Connections of a listener that are open.',
      each((listener) => listener.activeConnections),
    ),
    counter(
      'flatproxy_listener_relayed_connections',
      'Connections of a listener that got an endpoint.',
      each((listener) => listener.relayed),
    ),
    counter(
      'flatproxy_listener_failed_connections',
      'Connections of a listener that did not end in order, by reason.',
      ends,
    ),
    counter('flatproxy_listener_relayed_bytes', 'Bytes of streams: up to endpoints, down to clients.', both, 'bytes'),
  ]
}

function ofRequests({ listeners }: Stats): Family[] {
  const each = samplesBy('listener', listeners)
  const by = (label: string, read: (http: HttpStats) => Record<string, number>) =>
    Object.entries(listeners).flatMap(([listener, { http }]) =>
      Object.entries(read(http)).map(([value, count]) => [{ listener, [label]: value }, count] as const),
    )
  return [
    counter(
      'flatproxy_http_requests',
      'Requests that came to a listener.',
      each(({ http }) => http.requests),
    ),
    gauge(
      'flatproxy_http_active_requests',
      'Requests of a listener that have no end yet.',
      each(({ http }) => http.activeRequests),
    ),
    counter(
      'flatproxy_http_retries',
      'Tries beside the first of a request.',
      each(({ http }) => http.retries),
    ),
    counter(
      'flatproxy_http_responses',
      'Responses to clients, by class of status.',
      by('class', ({ statuses }) => statuses),
    ),
    counter(
      'flatproxy_http_outcomes',
      'Requests that have ended, by how.',
      by('outcome', ({ outcomes }) => outcomes),
    ),
    counter(
      'flatproxy_http_refused',
      'Messages of clients and servers that were refused, by why.',
      by('error', ({ refused }) => refused),
    ),
  ]
}

function ofTls({ listeners }: Stats): Family[] {
  const each = samplesBy('listener', listeners)
  const failures = Object.entries(listeners).flatMap(([listener, { tls }]) =>
    Object.entries(tls.failures).map(([reason, count]) => [{ listener, reason }, count] as const),
  )
  return [
    counter(
      'flatproxy_tls_handshakes',
      'TLS handshakes of a listener that were completed.',
      each(({ tls }) => tls.handshakes),
    ),
    counter(
      'flatproxy_tls_resumed_handshakes',
      'Of them, those that resumed a session.',
      each(({ tls }) => tls.resumed),
    ),
    counter('flatproxy_tls_failures', 'Connections over TLS that did not end in order, by reason.', failures),
  ]
}
