import type { Report, Row } from 'flatproxy/bench'

export const row = (name: string, rounds: readonly number[], more: Partial<Row> = {}): Row => ({
  name,
  value: [...rounds].sort((a, b) => a - b)[rounds.length >> 1]!,
  unit: name.endsWith('us') ? 'us' : 'requests/s',
  better: name.endsWith('us') ? 'less' : 'more',
  rounds,
  ...more,
})

/** A run of two cases: one that flatproxy carries, and one that it does not. */
export const report = (): Report => ({
  machine: {
    cpu: 'A <"CPU"> & more',
    cores: 2,
    memory: 2 ** 34,
    virtual: true,
    kernel: '6.18',
    congestion: 'bbr',
    versions: { node: '20.20.2', haproxy: '2.6.12' },
  },
  commit: '0123456789abcdef',
  date: '2026-11-26T20:00:00.000Z',
  command: 'npm run bench:peers -- --quick',
  rows: [
    row('l4-small/direct/rps', [50_000, 51_000, 49_000]),
    row('l4-small/flatproxy-tap/rps', [60_000, 61_000, 59_500]),
    row('l4-small/flatproxy-tap/cpu_us', [8, 8.2, 7.9]),
    row('l4-small/flatproxy-tap/p50_us', [100, 101, 99], { load: '2000 requests/s' }),
    row('l4-small/nftables/rps', [62_000, 63_000, 61_000]),
    row('l4-small/nftables/cpu_us', [6, 6.1, 5.9]),
    row('small/haproxy/rps', [40_000, 41_000, 39_000]),
  ],
  absent: [{ name: 'small/flatproxy-tap', why: 'flatproxy has no HTTP routes yet' }],
  ratios: [
    { name: 'l4-small/rps', of: 'flatproxy-tap', to: 'nftables', value: 0.97, low: 0.95, high: 0.99 },
    { name: 'l4-small/cpu_us', of: 'flatproxy-tap', to: 'nftables', value: 1.33, low: 1.3, high: 1.36 },
    { name: 'l4-small/rps', of: 'flatproxy-tap', to: 'direct', value: 1.2, low: 1.18, high: 1.22 },
  ],
  noise: [],
  latencies: {
    'l4-small/flatproxy-tap': [
      [90, 10],
      [100, 80],
      [2000, 10],
    ],
  },
  loads: { 'l4-small': 2000 },
})
