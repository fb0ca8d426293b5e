import { writeFileSync } from 'node:fs'
import { compareRatios, compareRuns, describeAgreement, describeChanges, readReport } from '../bench/against.js'
import { allCases } from '../bench/cases.js'
import { abortable, chooseWork, type BenchOptions } from '../bench/choose.js'
import { benchEngine, engineCases } from '../bench/engine.js'
import { peerNames } from '../bench/peers/index.js'
import type { Report } from '../bench/report.js'
import { emptyReport, runSideBySide, type Outcome } from '../bench/run/run.js'
import { renderTable } from '../bench/report/table.js'
import type { Progress } from '../bench/run/session.js'
import { writeResults, writtenReport } from '../bench/write.js'
import { FlatProxyError } from '../errors.js'
import { print, wholeNumber, type Command, type Values } from './command.js'
import { UsageError, type Exit } from './exit.js'

const name = 'bench'

export const benchCommand: Command = {
  name,
  usage: 'bench [--quick] [--cases A,B] [--peers A,B] [--rounds N] [--against FILE] [--json FILE] [--out FOLDER]',
  summary: 'flatproxy beside nftables, HAProxy, nginx, Envoy and Node, on this machine',
  help: `Measures real clients and a real server with each proxy between them in turn, in network namespaces of its own, the
proxy on core 0, client and server on core 1. Needs root, nginx and wrk; a peer that is not installed is left out by name.
A full run takes more than an hour. docs/performance.md says what the figures mean.

Options
  --quick          3 short rounds; 3 minutes for its cases small, 10MB and connect
  --cases A,B      ${wrapped(allCases.map((each) => each.name))};
                   of the engine alone (in a clone), as engine/NAME: ${engineCases.join(', ')}
  --peers A,B      ${wrapped(peerNames)}; NAME@2: one of them once more
  --rounds N       rounds in which the peers alternate (default 5)
  --seconds N      of each measurement (default 1 at saturation, 2 at the open-loop load)
  --against FILE   compare with the JSON file of another run: regressions beyond the noise are named
  --json FILE      the figures
  --out FOLDER     peers.json, peers.md and plots (default: nothing but the table is written)

Examples
  sudo flatproxy bench --quick
  sudo flatproxy bench --cases l4-small,l4-connect --peers direct,flatproxy-iface,nftables --json l4.json
  sudo flatproxy bench --cases l4-small --against l4.json

Exit codes: 0 measured, 1 a peer failed or a figure has become worse, 2 wrong arguments, or noisy three times over (the
figures are written all the same), 4 something is missing, 130 interrupted.`,
  options: {
    quick: { type: 'boolean' },
    cases: { type: 'string' },
    peers: { type: 'string' },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    against: { type: 'string' },
    json: { type: 'string' },
    out: { type: 'string' },
  },
  positionals: 0,
  run,
}

function wrapped(names: readonly string[]): string {
  const lines = ['']
  for (const each of names) {
    if (lines.at(-1)!.length + each.length > 90) lines.push('')
    lines[lines.length - 1] += `${each}, `
  }
  return lines.join(`\n${' '.repeat(19)}`).replace(/, $/, '')
}

const listOf = (text: string | boolean | undefined) => (typeof text === 'string' ? text.split(',') : undefined)
const textOf = (text: string | boolean | undefined) => (typeof text === 'string' ? text : undefined)

async function run(values: Values): Promise<Exit> {
  const against = textOf(values['against'])
  const before = against === undefined ? undefined : readReport(against)
  const abort = new AbortController()
  const interrupt = () => abort.abort()
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  try {
    const { report, failures } = await measure(optionsOf(values, before, abort.signal), commandOf(values))
    return conclude(values, report, failures, before)
  } catch (error) {
    if (abort.signal.aborted) return 'interrupted'
    throw error
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
  }
}

function optionsOf(values: Values, against: Report | undefined, signal: AbortSignal): BenchOptions {
  return {
    quick: values['quick'] === true,
    cases: listOf(values['cases']),
    peers: listOf(values['peers']),
    rounds: wholeNumber(values, 'rounds', [1, 100], name),
    seconds: wholeNumber(values, 'seconds', [1, 60], name),
    against,
    signal,
    onProgress: progress(),
  }
}

/** The command as it was given, for the report. */
function commandOf(values: Values): string {
  const words = ['quick', 'cases', 'peers', 'rounds', 'seconds'].flatMap((option) => {
    const value = values[option]
    return value === undefined ? [] : value === true ? [`--${option}`] : [`--${option} ${String(value)}`]
  })
  return [process.env['npm_lifecycle_event'] === 'bench:peers' ? 'npm run bench:peers --' : 'flatproxy bench', ...words]
    .join(' ')
    .replace(/ --$/, '')
}

function chosen(options: BenchOptions): ReturnType<typeof chooseWork> {
  try {
    return chooseWork(options)
  } catch (error) {
    if (error instanceof FlatProxyError && error.code === 'ERR_FLATPROXY_ARGUMENT')
      throw new UsageError(error.message, name)
    throw error
  }
}

async function measure(options: BenchOptions, command: string): Promise<Outcome> {
  const { engine, plan } = chosen(options)
  const rows = []
  for await (const row of benchEngine(engine, plan.rounds, options.signal)) rows.push(row)
  const outcome =
    plan.cases.length === 0
      ? { report: emptyReport(command), failures: new Map<string, string>() }
      : await abortable(runSideBySide(plan, command), options.signal)
  outcome.report.rows.unshift(...rows)
  return outcome
}

function conclude(values: Values, report: Report, failures: Outcome['failures'], before: Report | undefined): Exit {
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
  print(renderTable(report))
  const [json, out] = [textOf(values['json']), textOf(values['out'])]
  if (json !== undefined) writeFileSync(json, writtenReport(report))
  if (out !== undefined) writeResults(report, out)
  if (out !== undefined) print('', `${out}: peers.json, peers.md and plots`)
  const changes = before ? compareRuns(report.rows, before.rows) : []
  if (before) {
    print('', `against ${before.date} (${before.commit.slice(0, 12)})`, ...describeChanges(changes))
    print(...describeAgreement(compareRatios(report, before)))
  }
  for (const [each, why] of failures) process.stderr.write(`failed: ${each}: ${why}\n`)
  if (failures.size > 0 || changes.some(({ kind }) => kind === 'regression')) return 'failed'
  if (report.noise.length === 0) return 'ok'
  process.stderr.write('the machine is too noisy for these figures\n')
  return 'noisy'
}

/** On a terminal one line that is written over, and remarks in lines of their own; else a line for each measurement. */
function progress(): (progress: Progress) => void {
  const { stderr } = process
  let began = Date.now()
  let last = 1
  return ({ share, text }) => {
    if (share === undefined) return void stderr.write(stderr.isTTY ? `\r\x1b[K${text}\n` : `${text}\n`)
    if (share < last) began = Date.now()
    last = share
    const left = share > 0.02 ? `, ${Math.ceil((((Date.now() - began) / share) * (1 - share)) / 1000)} s left` : ''
    const line = `[${Math.round(share * 100)} %${left}] ${text}`
    stderr.write(stderr.isTTY ? `\r\x1b[K${line.slice(0, (stderr.columns ?? 80) - 1)}` : `${line}\n`)
  }
}
