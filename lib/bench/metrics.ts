/** What is measured, by the last part of a row's name. */
// prettier-ignore
export const metrics = {
  rps:            { unit: 'requests/s',   better: 'more', title: 'requests/s' },
  gbps:           { unit: '10^9 bit/s',   better: 'more', title: 'Gb/s' },
  cpu_us:         { unit: 'us',           better: 'less', title: 'CPU µs' },
  fixed_cpu_us:   { unit: 'us',           better: 'less', title: 'CPU µs at the load' },
  machine_cpu_us: { unit: 'us',           better: 'less', title: 'machine CPU µs above direct' },
  p50_us:         { unit: 'us',           better: 'less', title: 'p50 µs' },
  p99_us:         { unit: 'us',           better: 'less', title: 'p99 µs' },
  p999_us:        { unit: 'us',           better: 'less', title: 'p99.9 µs' },
  added_p50_us:   { unit: 'us',           better: 'less', title: 'added p50 µs' },
  added_p99_us:   { unit: 'us',           better: 'less', title: 'added p99 µs' },
  added_p999_us:  { unit: 'us',           better: 'less', title: 'added p99.9 µs' },
  bytes:          { unit: 'bytes',        better: 'less', title: 'bytes a connection' },
  rest_bytes:     { unit: 'bytes',        better: 'less', title: 'bytes at rest' },
} as const satisfies Record<string, { unit: string; better: 'more' | 'less'; title: string }>

export type Metric = keyof typeof metrics

/** Values of one measurement. */
export type Values = Partial<Record<Metric, number>>

/** Metrics of the open-loop load; their rows have a `load`. */
export const loadMetrics: ReadonlySet<string> = new Set<Metric>([
  'fixed_cpu_us',
  'machine_cpu_us',
  'p50_us',
  'p99_us',
  'p999_us',
  'added_p50_us',
  'added_p99_us',
  'added_p999_us',
])
