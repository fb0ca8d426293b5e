import type { ExchangeStats, Stats } from '../api.js'
import { counter, gauge, type Distribution, type Family, type Labels } from './family.js'

type Exchanges = readonly (readonly [labels: Labels, counters: ExchangeStats])[]

const routesOf = ({ routes }: Stats): Exchanges =>
  Object.entries(routes).map(([route, counters]) => [{ route }, counters] as const)

const endpointsOf = ({ endpoints }: Stats): Exchanges =>
  Object.entries(endpoints).flatMap(([service, each]) =>
    Object.entries(each).map(([endpoint, counters]) => [{ service, endpoint }, counters] as const),
  )

export function ofRoutes(stats: Stats): Family[] {
  return ofExchanges('flatproxy_route', 'of a route', 'Tries beside the first of a request', routesOf(stats))
}

export function ofEndpoints(stats: Stats): Family[] {
  const all = endpointsOf(stats)
  return [
    ...ofExchanges('flatproxy_endpoint', 'at an endpoint', 'Tries that were followed by another', all),
    counter(
      'flatproxy_endpoint_failures',
      'Tries that got no whole response from an endpoint.',
      all.map(([labels, { failures }]) => [labels, failures]),
    ),
  ]
}

function ofExchanges(prefix: string, where: string, retries: string, all: Exchanges): Family[] {
  const each = (value: (counters: ExchangeStats) => number) =>
    all.map(([labels, counters]) => [labels, value(counters)] as const)
  return [
    counter(
      `${prefix}_requests`,
      `Requests ${where} that have begun.`,
      each(({ requests }) => requests),
    ),
    gauge(
      `${prefix}_active_requests`,
      `Requests ${where} that have no end yet.`,
      each(({ active }) => active),
    ),
    counter(
      `${prefix}_retries`,
      `${retries}, ${where}.`,
      each((counters) => counters.retries),
    ),
    counter(
      `${prefix}_responses`,
      `Responses ${where}, by class of status.`,
      all.flatMap(([labels, { statuses }]) =>
        Object.entries(statuses).map(([value, count]) => [{ ...labels, class: value }, count] as const),
      ),
    ),
    counter(
      `${prefix}_content_bytes`,
      `Bytes of contents ${where}: up from clients, down to them.`,
      all.flatMap(([labels, { bytesUp, bytesDown }]) => [
        [{ ...labels, direction: 'up' }, bytesUp] as const,
        [{ ...labels, direction: 'down' }, bytesDown] as const,
      ]),
      'bytes',
    ),
  ]
}

export function distributions(stats: Stats): Distribution[] {
  const latencies = (all: Exchanges) =>
    all.flatMap(([labels, { latency }]) => (latency.count > 0 ? [[labels, latency] as const] : []))
  return [
    {
      name: 'flatproxy_route_duration',
      help: 'From a whole head of a request to the last byte of its response.',
      samples: latencies(routesOf(stats)),
    },
    {
      name: 'flatproxy_endpoint_duration',
      help: 'From the choice of an endpoint to the last byte of its response.',
      samples: latencies(endpointsOf(stats)),
    },
  ]
}
