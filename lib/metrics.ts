import type { Stats, TcpStats } from './api.js'
import { distributions, ofEndpoints, ofRoutes } from './metrics/exchanges.js'
import { counter, gauge, samplesBy, type Family } from './metrics/family.js'
import { ofListeners } from './metrics/listeners.js'
import { distributionText, text } from './metrics/text.js'

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
