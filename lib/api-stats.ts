import type { Reason, RoceCounts } from './api.js'

/** Counters of a service. */
export interface ServiceStats {
  packets: number
  bytes: number
  newFlows: number
  activeFlows: number
}

/** Counters of a listener's connections. `relayed` ones got an endpoint; the others say why not, or why they were ended. */
export interface ListenerStats {
  newConnections: number
  activeConnections: number
  relayed: number
  /** Beyond a limit of the mesh, or of flatproxy's own room. */
  overLimit: number
  /** No backend, none of its endpoints can be chosen, or no source port towards it is free. */
  noEndpoint: number
  /** Policies do not let the client have its endpoint, or not any more. SYNs that they deny are in `reasons` alone. */
  policyDenied: number
  /** The endpoint refused, was unreachable, or did not answer in time. */
  connectFailures: number
  /** A PROXY header that was malformed, too late, or from a client that is not trusted. */
  badProxyHeaders: number
  idleTimeouts: number
  /** Passed on from one side to the other. */
  resets: number
  /** From clients to endpoints, and back: bytes of the streams. */
  bytesUp: number
  bytesDown: number
  tls: TlsStats
  http: HttpStats
}

/** Counters of the TLS of a listener of protocol https or tls; zeros of one of another. */
export interface TlsStats {
  /** Handshakes that were completed. */
  handshakes: number
  /** Of them, those that resumed a session, by its ticket. */
  resumed: number
  /**
   * Connections that did not end in order, by why, such as `not_tls`, `version`, `parameters`, `peer_alert`, `truncated`
   * (the client's bytes ended without its close_notify). Each counts once.
   */
  failures: Record<string, number>
}

/** Counters of the requests of a listener of protocol http; zeros of one of another. */
export interface HttpStats {
  /** That have begun; those that are refused count. */
  requests: number
  activeRequests: number
  /** Tries beside the first of a request. */
  retries: number
  /** Responses to clients. */
  statuses: Record<'1xx' | '2xx' | '3xx' | '4xx' | '5xx', number>
  /** How requests have ended, such as `completed`, `no_route`, `connect_failed`. Each counts once. */
  outcomes: Record<string, number>
  /** Messages of clients and servers that were refused, such as `several_hosts`, `length_and_encoding`. */
  refused: Record<string, number>
}

/** How long exchanges took, in milliseconds; a percentile is at most a sixteenth above the true one. 0: there were none. */
export interface LatencyStats {
  count: number
  mean: number
  p50: number
  p90: number
  p99: number
  p999: number
  p9999: number
  /** What it is made of, to be merged, or compared with what was there before: where a bucket ends, and how many it holds. */
  buckets: readonly (readonly [end: number, count: number])[]
}

/** Counters of the exchanges of a route, or of the tries at an endpoint. */
export interface ExchangeStats {
  /** That have begun. */
  requests: number
  active: number
  /** Of a route, tries beside the first; of an endpoint, tries that were followed by another. */
  retries: number
  /** Tries that got no whole response from the endpoint. */
  failures: number
  /** From clients to endpoints, and back: bytes of contents. */
  bytesUp: number
  bytesDown: number
  statuses: Record<'1xx' | '2xx' | '3xx' | '4xx' | '5xx', number>
  /** From a whole head (of an endpoint: from its choice) to the last byte of the response. */
  latency: LatencyStats
}

/** An exchange that has ended, as the access log has it; `null` where there is none. Durations in milliseconds. */
export interface ExchangeRecord {
  /** When its head was whole: RFC 3339, in UTC. */
  time: string
  listener: string | null
  route: string | null
  service: string | null
  /** The one that was tried last. */
  endpoint: string | null
  client: string
  method: string | null
  host: string | null
  /** Path and query, as they were sent. */
  path: string | null
  protocol: string | null
  /** That the client got. */
  status: number | null
  /** How it ended: one of `stats().listeners[name].http.outcomes`. */
  outcome: string
  /** The same as a response flag of Envoy's. */
  flags: string | null
  tries: number
  /** Bytes of contents from the client, and to it. */
  bytesIn: number
  bytesOut: number
  duration: number
  /** Until the response began. */
  firstByte: number | null
  userAgent: string | null
  referer: string | null
  forwardedFor: string | null
  requestId: string | null
  /** That of the request, or the one that it was given. */
  traceparent: string | null
}

/** Counters of a policy that logs, limits or mirrors. */
export interface PolicyStats {
  /** Flows that it matches, passed or refused: when they open, and when other policies come while they run. */
  flows: number
  /** Of them, those that were not told though somebody listens: a lane tells 1,000 in a second. */
  untold: number
  /** That it has dropped: packets on the wire, and bytes of frames. */
  limitedPackets: number
  limitedBytes: number
  /** Packets of copies that were sent, and of those that were not made for want of room. */
  mirroredPackets: number
  mirrorLost: number
}

/** Counters of flatproxy's own TCP: connections that end at this node, on either side. */
export interface TcpStats {
  connections: number
  opened: number
  ended: number
  /** Segments that were sent again. */
  retransmitted: number
  /** Retransmission timeouts. */
  timeouts: number
  tailProbes: number
  duplicates: number
  outOfOrder: number
  outOfWindow: number
  /** Segments that PAWS has refused. */
  oldTimestamps: number
  badAcks: number
  challenges: number
  challengesHeld: number
  cookiesSent: number
  cookiesTaken: number
  resetsReceived: number
  /** What was not sent, or not taken, for want of buffers. */
  buffersMissing: number
  /** Segments not taken: their connection held its share of memory. */
  memoryRefused: number
}

/** What a lane does and holds now. */
export interface LaneStats {
  /** -1: it may run on any. */
  core: number
  /** Share of the time that it worked lately, 0 to 1. */
  busy: number
  /** In its table, and how many that holds at most. */
  flows: number
  flowCapacity: number
  /** Packet buffers that frames on their way and the queues of connections hold. */
  buffersInUse: number
}

/** Counters of a proxy since its start; `at` in milliseconds since 1970. */
export interface Stats {
  at: number
  generation: number
  /** `spoofedPackets`: those received whose source address belongs to another port; their reason is `spoofed_source`. */
  ports: Record<string, { receivedPackets: number; sentPackets: number; spoofedPackets: number }>
  services: Record<string, ServiceStats>
  listeners: Record<string, ListenerStats>
  /** By route of requests. */
  routes: Record<string, ExchangeStats>
  /** By service and, as `address:port`, endpoint: those that had a request. */
  endpoints: Record<string, Record<string, ExchangeStats>>
  /** Of policies that log, limit or mirror. */
  policies: Record<string, PolicyStats>
  /** Lines of the access log, and those that it should have had, but for want of room. */
  accessLog: { written: number; lost: number }
  tcp: TcpStats
  /** RoCEv2: of flows, how many are in the tables, and how many were given up for newer ones. */
  roce: RoceCounts & { flows: number; evicted: number }
  reasons: Record<Reason, { packets: number; bytes: number }>
  /** By lane. */
  lanes: readonly LaneStats[]
  /** Events that nobody fetched in time. */
  lostEvents: number
}
