import type { ExchangeStats, HttpStats, LatencyStats, ListenerStats, Stats, TcpStats } from './api.js'

type Labels = Readonly<Record<string, string | number>>

/** A family of metrics: what it means, and its samples. The name of a counter is written without its `_total`. */
interface Family {
  name: string
  type: 'counter' | 'gauge'
  /** The name ends in it (OpenMetrics 1.0, "Unit"). */
  unit?: 'bytes' | 'ratio'
  help: string
  samples: readonly (readonly [labels: Labels, value: number])[]
}

/** A distribution of durations. */
interface Distribution {
  name: string
  help: string
  samples: readonly (readonly [labels: Labels, latency: LatencyStats])[]
}

/** The media type of {@link openMetrics}' text, for the `content-type` of an HTTP response. */
export const openMetricsType = 'application/openmetrics-text; version=1.0.0; charset=utf-8'

/**
 * Counters as OpenMetrics 1.0 text, as Prometheus scrapes it: serve it as {@link openMetricsType}. Names keep
 * promtool's rules: counters end in `_total`, units are base units and end the name. Counters start at 0 with the proxy.
 */
export function openMetrics(stats: Stats): string {
  return `${families(stats).map(text).join('')}${distributions(stats).map(distributionText).join('')}# EOF\n`
}

function families(stats: Stats): Family[] {
  return [
    ...ofProxy(stats),
    ...ofPorts(stats),
    ...ofServices(stats),
    ...ofListeners(stats),
    ...ofRequests(stats),
    ...ofRoutes(stats),
    ...ofEndpoints(stats),
    ...ofPolicies(stats),
    ...ofAccessLog(stats),
    ...ofTcp(stats),
    ...ofRoce(stats),
    ...ofReasons(stats),
    ...ofLanes(stats),
  ]
}

function ofProxy({ generation, lostEvents }: Stats): Family[] {
  return [
    gauge('flatproxy_generation', 'The generation of the mesh in force.', [[{}, generation]]),
    counter('flatproxy_lost_events', 'Events that nobody fetched in time.', [[{}, lostEvents]]),
  ]
}

function ofPolicies({ policies }: Stats): Family[] {
  const each = samplesBy('policy', policies)
  return [
    counter(
      'flatproxy_policy_flows',
      'Flows that a policy matches which neither allows nor denies.',
      each(({ flows }) => flows),
    ),
    counter(
      'flatproxy_policy_untold',
      'Of the flows that a policy logs, those of which nobody was told.',
      each(({ untold }) => untold),
    ),
    counter(
      'flatproxy_policy_limited_packets',
      'Wire segments that a policy has dropped which limits.',
      each(({ limitedPackets }) => limitedPackets),
    ),
    counter(
      'flatproxy_policy_limited_bytes',
      'Bytes of the frames that a policy has dropped which limits.',
      each(({ limitedBytes }) => limitedBytes),
      'bytes',
    ),
    counter(
      'flatproxy_policy_mirrored_packets',
      'Wire segments of the copies that a policy has sent which mirrors.',
      each(({ mirroredPackets }) => mirroredPackets),
    ),
    counter(
      'flatproxy_policy_mirror_lost_packets',
      'Wire segments of the copies that it has not made.',
      each(({ mirrorLost }) => mirrorLost),
    ),
  ]
}

function ofPorts({ ports }: Stats): Family[] {
  const each = samplesBy('port', ports)
  return [
    counter(
      'flatproxy_port_received_packets',
      'Wire segments received on a port.',
      each((port) => port.receivedPackets),
    ),
    counter(
      'flatproxy_port_sent_packets',
      'Wire segments sent on a port.',
      each((port) => port.sentPackets),
    ),
    counter(
      'flatproxy_port_spoofed_packets',
      'Wire segments received on a port whose source address belongs to another one.',
      each((port) => port.spoofedPackets),
    ),
  ]
}

function ofServices({ services }: Stats): Family[] {
  const each = samplesBy('service', services)
  return [
    counter(
      'flatproxy_service_packets',
      'Wire segments of a service, both ways.',
      each((service) => service.packets),
    ),
    counter(
      'flatproxy_service_carried_bytes',
      'Bytes of frames of a service, both ways.',
      each((service) => service.bytes),
      'bytes',
    ),
    counter(
      'flatproxy_service_new_flows',
      'Flows that were opened to a service.',
      each((service) => service.newFlows),
    ),
    gauge(
      'flatproxy_service_active_flows',
      'Flows of a service in the flow tables.',
      each((service) => service.activeFlows),
    ),
  ]
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

function ofListeners({ listeners }: Stats): Family[] {
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

type Exchanges = readonly (readonly [labels: Labels, counters: ExchangeStats])[]

const routesOf = ({ routes }: Stats): Exchanges =>
  Object.entries(routes).map(([route, counters]) => [{ route }, counters] as const)

const endpointsOf = ({ endpoints }: Stats): Exchanges =>
  Object.entries(endpoints).flatMap(([service, each]) =>
    Object.entries(each).map(([endpoint, counters]) => [{ service, endpoint }, counters] as const),
  )

function ofRoutes(stats: Stats): Family[] {
  return ofExchanges('flatproxy_route', 'of a route', 'Tries beside the first of a request', routesOf(stats))
}

function ofEndpoints(stats: Stats): Family[] {
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

function distributions(stats: Stats): Distribution[] {
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

function ofAccessLog({ accessLog: { written, lost } }: Stats): Family[] {
  return [
    counter('flatproxy_access_log_lines', 'Lines of the access log.', [[{}, written]]),
    counter('flatproxy_access_log_lost_lines', 'Lines that the access log should have, but for want of room.', [
      [{}, lost],
    ]),
  ]
}

function ofTcp({ tcp: { connections, ...events } }: Stats): Family[] {
  const name = (key: string) => key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  return [
    gauge('flatproxy_tcp_connections', 'TCP connections that end here, in any state.', [[{}, connections]]),
    counter(
      'flatproxy_tcp_events',
      'What happened to TCP connections that end here, by kind (the names of `stats().tcp`).',
      Object.entries<number>(events satisfies Omit<TcpStats, 'connections'>).map(
        ([event, value]) => [{ event: name(event) }, value] as const,
      ),
    ),
  ]
}

function ofRoce({ roce }: Stats): Family[] {
  const each = samplesBy('class', roce.classes)
  return [
    counter(
      'flatproxy_roce_packets',
      'RoCEv2 packets by class of opcode.',
      each(({ packets }) => packets),
    ),
    counter(
      'flatproxy_roce_carried_bytes',
      'Bytes of IP packets of RoCEv2 by class of opcode.',
      each(({ bytes }) => bytes),
      'bytes',
    ),
    counter('flatproxy_roce_retransmitted_packets', 'RoCEv2 packets whose sequence number had been sent before.', [
      [{}, roce.retransmitted],
    ]),
    counter('flatproxy_roce_naks', 'NAKs of RoCEv2, "receiver not ready" among them.', [[{}, roce.naks]]),
    gauge('flatproxy_roce_flows', 'RoCEv2 flows in the tables.', [[{}, roce.flows]]),
    counter('flatproxy_roce_evicted_flows', 'RoCEv2 flows that were given up for newer ones.', [[{}, roce.evicted]]),
  ]
}

function ofReasons({ reasons }: Stats): Family[] {
  const each = samplesBy('reason', reasons)
  return [
    counter(
      'flatproxy_reason_packets',
      'Wire segments by the reason of their verdict.',
      each((reason) => reason.packets),
    ),
    counter(
      'flatproxy_reason_carried_bytes',
      'Bytes of frames by the reason of their verdict.',
      each((reason) => reason.bytes),
      'bytes',
    ),
  ]
}

function ofLanes({ lanes }: Stats): Family[] {
  const each = (value: (lane: Stats['lanes'][number]) => number) =>
    lanes.map((lane, index) => [{ lane: index, core: lane.core }, value(lane)] as const)
  return [
    gauge(
      'flatproxy_lane_busy_ratio',
      'Share of the time that a lane worked.',
      each((lane) => lane.busy),
      'ratio',
    ),
    gauge(
      'flatproxy_lane_flows',
      'Flows in the table of a lane.',
      each((lane) => lane.flows),
    ),
    gauge(
      'flatproxy_lane_flow_capacity',
      'Flows that the table of a lane holds at most.',
      each((lane) => lane.flowCapacity),
    ),
    gauge(
      'flatproxy_lane_buffers_in_use',
      'Packet buffers that frames on their way and the queues of connections hold.',
      each((lane) => lane.buffersInUse),
    ),
  ]
}

/** A sample of each of some named objects, with the name as a label. */
const samplesBy =
  <Counters>(label: string, objects: Readonly<Record<string, Counters>>) =>
  (value: (counters: Counters) => number) =>
    Object.entries(objects).map(([name, counters]) => [{ [label]: name }, value(counters)] as const)

function family(
  type: Family['type'],
  name: string,
  help: string,
  samples: Family['samples'],
  unit?: Family['unit'],
): Family {
  return { name, type, help, samples, ...(unit && { unit }) }
}

const counter = family.bind(undefined, 'counter')
const gauge = family.bind(undefined, 'gauge')

function text({ name, type, unit, help, samples }: Family): string {
  const head = [`# TYPE ${name} ${type}`, ...(unit ? [`# UNIT ${name} ${unit}`] : []), `# HELP ${name} ${escape(help)}`]
  const sampleName = type === 'counter' ? `${name}_total` : name
  const lines = samples.map(([labels, value]) => `${sampleName}${labelText(labels)} ${numberText(value)}`)
  return [...head, ...lines, ''].join('\n')
}

/** Powers of two microseconds, at which buckets of the proxy's own end: what they hold is exact. 64 us to 67 s. */
const bounds = Array.from({ length: 21 }, (_, power) => 64 * 2 ** power)

/** In seconds. */
function distributionText({ name, help, samples }: Distribution): string {
  const unit = `${name}_seconds`
  const lines = samples.flatMap(([labels, { buckets, count, mean }]) => {
    const below = (bound: number) =>
      buckets.reduce((sum, [end, held]) => (end * 1_000 <= bound + 0.5 ? sum + held : sum), 0)
    return [
      ...bounds.map(
        (bound) => `${unit}_bucket${labelText({ ...labels, le: numberText(bound / 1e6) })} ${below(bound)}`,
      ),
      `${unit}_bucket${labelText({ ...labels, le: '+Inf' })} ${count}`,
      `${unit}_count${labelText(labels)} ${count}`,
      `${unit}_sum${labelText(labels)} ${numberText((mean * count) / 1_000)}`,
    ]
  })
  return [`# TYPE ${unit} histogram`, `# UNIT ${unit} seconds`, `# HELP ${unit} ${escape(help)}`, ...lines, ''].join(
    '\n',
  )
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escape(String(value))}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

// OpenMetrics 1.0, ABNF: in label values and in help, backslash, newline and double quote are escaped.
function escape(value: string): string {
  return value.replace(/[\\"\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`))
}

function numberText(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf'
  return String(value)
}
