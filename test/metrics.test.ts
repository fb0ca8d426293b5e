// The counters as OpenMetrics 1.0, by the rules of `promtool check metrics` (client_golang's promlint).
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openMetrics } from '#lib/metrics.js'
import type { ExchangeStats, Stats, TcpStats } from '#lib/api.js'
import { addedSince, latencyOf } from '#lib/proxy/latency.js'

const odd = 'a"b\\c\nd'
const exchanges: ExchangeStats = {
  requests: 8,
  active: 1,
  retries: 2,
  failures: 1,
  bytesUp: 10,
  bytesDown: 20,
  statuses: { '1xx': 0, '2xx': 5, '3xx': 0, '4xx': 2, '5xx': 0 },
  latency: latencyOf(
    [
      [0.064, 2],
      [0.068, 1],
      [70_000, 4],
    ],
    280_000,
  ),
}
const stats: Stats = {
  at: 1_700_000_000_000,
  generation: 4,
  ports: {
    uplink: { receivedPackets: 2 ** 53 - 1, sentPackets: 0, spoofedPackets: 0 },
    [odd]: { receivedPackets: 1, sentPackets: 2, spoofedPackets: 0 },
  },
  services: { shop: { packets: 10, bytes: 1_000, newFlows: 3, activeFlows: 2 } },
  listeners: {
    door: {
      newConnections: 9,
      activeConnections: 1,
      relayed: 6,
      overLimit: 1,
      noEndpoint: 0,
      policyDenied: 3,
      connectFailures: 2,
      badProxyHeaders: 0,
      idleTimeouts: 0,
      resets: 1,
      bytesUp: 500,
      bytesDown: 70_000,
      tls: { handshakes: 9, resumed: 4, failures: { not_tls: 1, truncated: 2 } },
      http: {
        requests: 8,
        activeRequests: 1,
        retries: 2,
        statuses: { '1xx': 0, '2xx': 5, '3xx': 0, '4xx': 2, '5xx': 0 },
        outcomes: { completed: 5, no_route: 1, bad_request: 1 },
        refused: { bad_host: 1 },
      },
    },
  },
  routes: { shop: exchanges },
  endpoints: { shop: { '10.0.0.1:80': exchanges } },
  policies: {
    watched: { flows: 3, untold: 1, limitedPackets: 2, limitedBytes: 90, mirroredPackets: 4, mirrorLost: 1 },
  },
  accessLog: { written: 7, lost: 3 },
  tcp: { connections: 14, opened: 15, ended: 1, retransmitted: 2 } as TcpStats,
  roce: {
    flows: 2,
    evicted: 1,
    retransmitted: 3,
    naks: 4,
    classes: { send: { packets: 6, bytes: 600 }, cnp: { packets: 1, bytes: 60 } },
  } as unknown as Stats['roce'],
  reasons: {
    forwarded: { packets: 11, bytes: 1_100 },
    no_route: { packets: 1, bytes: 60 },
  } as unknown as Stats['reasons'],
  lanes: [
    { core: 2, busy: 0.25, flows: 1, flowCapacity: 64, buffersInUse: 9 },
    { core: 3, busy: 0, flows: 1, flowCapacity: 64, buffersInUse: 9 },
  ],
  lostEvents: 5,
}
const lines = openMetrics(stats).split('\n')

interface Family {
  name: string
  type: string
  unit?: string
  help?: string
  samples: string[]
}

function parse(): Family[] {
  const families: Family[] = []
  for (const line of lines.slice(0, -2)) {
    const [, kind, name, rest] = /^# (TYPE|HELP|UNIT) (\S+) (.+)$/.exec(line) ?? []
    if (kind === 'TYPE') families.push({ name: name!, type: rest!, samples: [] })
    else if (kind)
      Object.assign(
        families.find((family) => family.name === name)!,
        { [kind.toLowerCase()]: rest },
      )
    else families.at(-1)!.samples.push(line)
  }
  return families
}

describe('openMetrics', () => {
  const families = parse()

  it('ends in # EOF and a newline, and has no empty line', () => {
    assert.deepEqual(lines.slice(-2), ['# EOF', ''])
    assert.ok(lines.slice(0, -1).every((line) => line !== ''))
  })

  it('keeps the samples of a family together, under their type and help', () => {
    assert.equal(new Set(families.map(({ name }) => name)).size, families.length)
    for (const { name, type, help, samples } of families) {
      assert.ok(help && /\.$/.test(help), `${name} has no help`)
      assert.match(type, /^(counter|gauge|histogram)$/)
      assert.ok(samples.length > 0, name)
      const sample = { counter: `${name}_total`, histogram: `${name}_(bucket|count|sum)` }[type] ?? name
      for (const line of samples) assert.match(line, new RegExp(`^${sample}(\\{.*\\})? [0-9.e+]+$`))
    }
  })

  it("keeps promlint's rules of names", () => {
    for (const { name, type, unit, samples } of families) {
      assert.match(name, /^[a-z][a-z0-9_]*$/)
      assert.doesNotMatch(name, /_(total|count|sum|bucket|counter|gauge|info|created)$/, 'reserved ends and types')
      assert.doesNotMatch(name, /_(ms|us|ns|sec|s|b|kb|mb|gb|bits|milliseconds|kilobytes|megabytes|minutes|hours)(_|$)/)
      if (unit) assert.ok(name.endsWith(`_${unit}`), `${name} does not end in its unit`)
      else assert.doesNotMatch(name, /_(bytes|seconds|ratio)$/, 'a unit that is not told')
      assert.ok(type === 'counter' || !name.includes('total'))
      const keys = samples.map((line) => line.slice(0, line.lastIndexOf(' ')))
      assert.equal(new Set(keys).size, keys.length, 'a sample twice')
    }
  })

  it('escapes labels', () => {
    assert.ok(lines.includes('flatproxy_port_sent_packets_total{port="a\\"b\\\\c\\nd"} 2'))
  })

  it('keeps large numbers exact', () => {
    assert.ok(lines.includes('flatproxy_port_received_packets_total{port="uplink"} 9007199254740991'))
  })

  it('has every number of the statistics', () => {
    for (const line of [
      'flatproxy_generation 4',
      'flatproxy_lost_events_total 5',
      'flatproxy_service_packets_total{service="shop"} 10',
      'flatproxy_service_carried_bytes_total{service="shop"} 1000',
      'flatproxy_service_new_flows_total{service="shop"} 3',
      'flatproxy_service_active_flows{service="shop"} 2',
      'flatproxy_http_requests_total{listener="door"} 8',
      'flatproxy_http_active_requests{listener="door"} 1',
      'flatproxy_http_retries_total{listener="door"} 2',
      'flatproxy_http_responses_total{listener="door",class="2xx"} 5',
      'flatproxy_http_outcomes_total{listener="door",outcome="no_route"} 1',
      'flatproxy_http_refused_total{listener="door",error="bad_host"} 1',
      'flatproxy_tls_handshakes_total{listener="door"} 9',
      'flatproxy_tls_resumed_handshakes_total{listener="door"} 4',
      'flatproxy_tls_failures_total{listener="door",reason="truncated"} 2',
      'flatproxy_reason_packets_total{reason="no_route"} 1',
      'flatproxy_reason_carried_bytes_total{reason="no_route"} 60',
      'flatproxy_lane_busy_ratio{lane="0",core="2"} 0.25',
      'flatproxy_lane_flows{lane="1",core="3"} 1',
      'flatproxy_lane_flow_capacity{lane="1",core="3"} 64',
      'flatproxy_lane_buffers_in_use{lane="1",core="3"} 9',
    ])
      assert.ok(lines.includes(line), line)
  })
})

describe('latencies', () => {
  it('are at or above the true percentile, never below', () => {
    const { count, mean, p50, p90, p99, p9999 } = exchanges.latency
    assert.deepEqual(
      { count, mean, p50, p90, p99, p9999 },
      {
        count: 7,
        mean: 40_000,
        p50: 70_000,
        p90: 70_000,
        p99: 70_000,
        p9999: 70_000,
      },
    )
    assert.equal(
      latencyOf(
        [
          [1, 99],
          [2, 1],
        ],
        101,
      ).p99,
      1,
    )
    assert.equal(
      latencyOf(
        [
          [1, 99],
          [2, 1],
        ],
        101,
      ).p999,
      2,
    )
    assert.deepEqual(latencyOf([], 0), { count: 0, mean: 0, p50: 0, p90: 0, p99: 0, p999: 0, p9999: 0, buckets: [] })
  })

  it('can be told of a while', () => {
    assert.deepEqual(
      addedSince(
        [
          [1, 5],
          [2, 3],
          [3, 1],
        ],
        [
          [1, 5],
          [2, 1],
        ],
      ),
      [
        [2, 2],
        [3, 1],
      ],
    )
  })

  it('are histograms in seconds, exact at the bounds', () => {
    const bucket = (le: string) =>
      lines.find((line) => line.includes(`_duration_seconds_bucket{route="shop",le="${le}"}`))
    assert.match(bucket('0.000064')!, / 2$/)
    assert.match(bucket('0.000128')!, / 3$/)
    assert.match(bucket('67.108864')!, / 3$/)
    assert.match(bucket('+Inf')!, / 7$/)
    assert.ok(lines.includes('flatproxy_route_duration_seconds_sum{route="shop"} 280'))
  })
})
