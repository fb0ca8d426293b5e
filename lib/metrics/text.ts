import type { Distribution, Family, Labels } from './family.js'

export function text({ name, type, unit, help, samples }: Family): string {
  const head = [`# TYPE ${name} ${type}`, ...(unit ? [`# UNIT ${name} ${unit}`] : []), `# HELP ${name} ${escape(help)}`]
  const sampleName = type === 'counter' ? `${name}_total` : name
  const lines = samples.map(([labels, value]) => `${sampleName}${labelText(labels)} ${numberText(value)}`)
  return [...head, ...lines, ''].join('\n')
}

/** Powers of two microseconds, at which buckets of the proxy's own end: what they hold is exact. 64 us to 67 s. */
const bounds = Array.from({ length: 21 }, (_, power) => 64 * 2 ** power)

/** In seconds. */
export function distributionText({ name, help, samples }: Distribution): string {
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
