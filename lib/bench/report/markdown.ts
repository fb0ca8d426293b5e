import { caseOf, describeCase } from '../cases.js'
import { machineLine } from '../machine.js'
import { metrics, type Metric } from '../metrics.js'
import { peerNames } from '../peers/index.js'
import type { Ratio, Report } from '../report.js'
import { casesIn, markdownTable, metricsIn, rowsByPeer, short, showRatio, verdictOf, withSpread } from './format.js'
import { barsName, latencyName } from './plots.js'
import { absentLines } from './table.js'

/** A run in Markdown: where, when and how it was measured, and every case with its table, its ratios and its plots. */
export function renderMarkdown(report: Report): string {
  const cases = casesIn(report).map((work) => caseSection(report, work))
  return [`# Side by side\n\n${whence(report)}`, ...cases, absentSection(report)].filter(Boolean).join('\n\n') + '\n'
}

/** Machine, date, command and doubts in a paragraph. */
export function whence(report: Report): string {
  const { date, machine, command, commit, noise } = report
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`)
  const doubts = noise.length === 0 ? '' : `\n\n**This run was noisy**: ${noise.join('; ')}.`
  return `${date.slice(0, 10)}, ${machineLine(machine)}; ${versions.join(', ')}; commit ${commit.slice(0, 12)}; \`${command}\`. Medians, ± half the range of the rounds.${doubts}`
}

function caseSection(report: Report, work: string): string {
  const peers = rowsByPeer(report, work)
  const shown = metricsIn(peers)
  const lines = [['', ...shown.map((metric) => metrics[metric].title)]]
  for (const [peer, rows] of peers)
    lines.push([peer, ...shown.map((metric) => (rows.has(metric) ? withSpread(rows.get(metric)!) : ''))])
  const load = report.loads[work]
  const plots = [
    `![${work}](${barsName(work)})`,
    ...(hasLatencies(report, work) ? [`![latency of ${work}](${latencyName(work)})`] : []),
  ]
  return [
    `## ${work}`,
    `${describeCase(caseOf(work))}.${load === undefined ? '' : ` Open loop at ${load} requests/s.`}`,
    markdownTable(lines),
    ratioTable(report.ratios.filter(({ name }) => name.startsWith(`${work}/`))),
    plots.join('\n'),
  ]
    .filter(Boolean)
    .join('\n\n')
}

export const hasLatencies = ({ latencies }: Report, work: string): boolean =>
  Object.keys(latencies).some((name) => name.startsWith(`${work}/`))

function ratioTable(ratios: readonly Ratio[]): string {
  if (ratios.length === 0) return ''
  const lines = ratios.map((ratio) => [
    `${ratio.of} / ${ratio.to}`,
    metrics[ratio.name.split('/')[1] as Metric].title,
    showRatio(ratio),
    verdictOf(ratio),
  ])
  return markdownTable([['ratio', 'of', 'with its 95 % interval', ''], ...lines])
}

function absentSection(report: Report): string {
  const lines = absentLines(report)
  return lines.length === 0 ? '' : `## Not measured\n\n${lines.map((line) => `- ${line}`).join('\n')}`
}

/** The section of a README: one table of all cases and peers, flatproxy's ratios, the plots of `folder`. */
export function renderSummary(report: Report, folder: string): string {
  const cases = casesIn(report)
  const peers = inOrder(cases.flatMap((work) => [...rowsByPeer(report, work).keys()]))
  const lines = [['', ...peers]]
  for (const work of cases) {
    const rows = rowsByPeer(report, work)
    lines.push([`\`${work}\``, ...peers.map((peer) => summaryCell(rows.get(peer)))])
  }
  const plots = cases.filter((work) => !work.startsWith('own-')).map((work) => `[${work}](${folder}/${barsName(work)})`)
  return [
    whence(report),
    `In a cell: requests/s or Gb/s at saturation and CPU µs per request or body; of \`idle\` bytes per connection; of \`ping\` the p50. Everything else (the open-loop load, latencies, memory at rest, all ratios): [${folder}/peers.md](${folder}/peers.md).`,
    markdownTable(lines),
    ...winsAndLosses(report),
    `Plots: ${plots.join(', ')}.`,
  ].join('\n\n')
}

/** Each peer once, in the order in which `--help` lists them. */
function inOrder(peers: readonly string[]): string[] {
  const place = (peer: string) => peerNames.indexOf(peer.split('@')[0]!)
  return [...new Set(peers)].sort((a, b) => place(a) - place(b))
}

function summaryCell(rows: ReturnType<typeof rowsByPeer> extends Map<string, infer R> ? R | undefined : never): string {
  const value = (metric: Metric) => rows?.get(metric)?.value
  const rate = value('rps') ?? value('gbps')
  const cpu = value('cpu_us')
  const bytes = value('bytes')
  const first =
    value('gbps') === undefined && rate !== undefined && rate >= 10_000
      ? `${(rate / 1000).toFixed(1)} k`
      : rate === undefined
        ? undefined
        : short(rate)
  if (bytes !== undefined) return `${short(bytes)} B`
  return first === undefined ? '' : `${first}, ${short(cpu ?? NaN)} µs`
}

/** What flatproxy wins and loses against each peer, as far as the intervals tell: a table of ratios. */
function winsAndLosses({ ratios }: Report): string[] {
  const ours = ratios.filter(
    ({ of, to, name }) =>
      of.startsWith('flatproxy') && !to.startsWith('flatproxy') && /\/(rps|gbps|cpu_us)$/.test(name),
  )
  if (ours.length === 0) return []
  const peers = inOrder(ours.map(({ to }) => to))
  const lines = [...new Set(ours.map(({ name, of }) => `${name} ${of}`))].map((line) => {
    const [name, of] = line.split(' ') as [string, string]
    const [work, metric] = name.split('/') as [string, Metric]
    const cells = peers.map((peer) => {
      const ratio = ours.find((one) => one.name === name && one.of === of && one.to === peer)
      return ratio ? ratioCell(ratio) : ''
    })
    return [`\`${work}\``, of, metrics[metric].title, ...cells]
  })
  return [
    'How flatproxy stands to each: its figure divided by theirs, **better**, _worse_, or neither as far as the interval tells.',
    markdownTable([['', '', '', ...peers], ...lines]),
  ]
}

function ratioCell(ratio: Ratio): string {
  const value = ratio.value.toFixed(2)
  return { better: `**${value}**`, worse: `_${value}_`, 'no difference': value }[verdictOf(ratio)]
}
