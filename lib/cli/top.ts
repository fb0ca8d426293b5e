import { setTimeout as sleep } from 'node:timers/promises'
import type { Flow, View } from '../api.js'
import { connectControl } from '../control/client.js'
import { parseDuration } from '../mesh/duration.js'
import { loadAddon } from '../native.js'
import { paint, print, wholeNumber, type Command, type Values } from './command.js'
import { controlHelp, controlOption, controlPath } from './control-path.js'
import { UsageError } from './exit.js'
import { topLines } from './top-lines.js'
import { topReport, type Sample, type TopReport } from './top-report.js'

/** Flows that are looked at for those with the most bits: to list more of them would burden the proxy. */
const maxScanned = 20_000
const terminal = {
  enter: '\x1b[?1049h\x1b[?25l',
  leave: '\x1b[?25h\x1b[?1049l',
  redraw: '\x1b[H',
  rest: '\x1b[J',
  line: '\x1b[K',
}

const isTerminal = process.stdout.isTTY === true && process.env['TERM'] !== 'dumb'

export const top: Command = {
  name: 'top',
  usage: 'top [--control PATH] [--interval D] [--limit N] [--once] [--json]',
  summary: 'what a proxy that runs does now: packets, bits, refusals, the largest flows',
  help: `Shows each second what came, how many flows are new, what was refused and why, and the flows with the most bits, of the
first ${maxScanned.toLocaleString('en-US')} in the table. On a terminal it redraws; q or Ctrl-C ends it. Elsewhere it prints one table for each interval.

Options
${controlHelp}
  --interval D     between two looks: 500ms, 5s. Default: 1s
  --limit N        flows that are shown. Default: as many as the terminal has room for, elsewhere 10
  --once           one interval, then ends
  --json           as JSON, one object a line

Examples
  flatproxy top
  flatproxy top --interval 5s --limit 3
  flatproxy top --once --json | jq .refused

Exit codes: 0, 5 no proxy answers at the control socket.`,
  options: {
    ...controlOption,
    interval: { type: 'string' },
    limit: { type: 'string' },
    once: { type: 'boolean' },
    json: { type: 'boolean' },
  },
  positionals: 0,
  async run(values) {
    const interval = parseDuration(values['interval'] ?? '1s')
    if (interval === undefined || interval < 100)
      throw new UsageError(`--interval is a duration from 100ms on, not '${String(values['interval'])}'`, 'top')
    const limit = wholeNumber(values, 'limit', [1, maxScanned], 'top')
    const stop = new AbortController()
    await using view = await connectControl(controlPath(values))
    const live = isTerminal && !values['json'] && !values['once']
    const restore = live ? takeTerminal(stop) : () => {}
    process.once('SIGINT', () => stop.abort())
    process.once('SIGTERM', () => stop.abort())
    try {
      await watch(view, { interval, limit, live, values, signal: stop.signal })
    } catch (error) {
      if (!stop.signal.aborted) throw error
    } finally {
      restore()
    }
    return 'ok'
  },
}

interface Watch {
  readonly interval: number
  readonly limit: number | undefined
  /** It redraws a terminal. */
  readonly live: boolean
  readonly values: Values
  readonly signal: AbortSignal
}

async function watch(view: View, { interval, limit, live, values, signal }: Watch): Promise<void> {
  const verdicts = new Map(loadAddon().reasons.map(({ name, verdict }) => [name, verdict]))
  let before = await sample(view, signal)
  do {
    await sleep(interval, undefined, { signal })
    const now = await sample(view, signal)
    const report = topReport(now, before, verdicts, limit ?? (live ? process.stdout.rows : 10))
    if (values['json']) print(JSON.stringify(report))
    else if (live) redraw(report)
    else print(...topLines(report, paint), '')
    before = now
  } while (!values['once'])
}

async function sample(view: View, signal: AbortSignal): Promise<Sample> {
  const stats = await view.stats({ signal })
  const flows: Flow[] = []
  for await (const flow of view.flows({ limit: maxScanned, signal })) flows.push(flow)
  return { stats, flows }
}

/** Over what stands there, so that nothing flickers; as much as there is room for. */
function redraw(report: TopReport): void {
  const { rows, columns } = process.stdout
  const lines = topLines(report, paint).slice(0, rows - 1)
  const drawn = lines.map((line) => `${cut(line, columns)}${terminal.line}`)
  process.stdout.write(`${terminal.redraw}${drawn.join('\n')}\n${terminal.rest}`)
}

/** The line as far as it fits; of a painted one, which is a title, colours are given up before text is. */
function cut(line: string, columns: number): string {
  // eslint-disable-next-line no-control-regex
  const plain = line.replace(/\x1b\[[0-9;]*m/g, '')
  return plain.length <= columns ? line : plain.slice(0, columns)
}

/** The terminal is ours until the function that this gives is called. */
function takeTerminal(stop: AbortController): () => void {
  const { stdin, stdout } = process
  // In raw mode the terminal makes no signals: Ctrl-C and Ctrl-D are bytes.
  const onKey = (keys: Buffer) => {
    if (['q', 'Q', '\x03', '\x04'].some((key) => keys.includes(key))) stop.abort()
  }
  const keys = stdin.isTTY === true
  if (keys) stdin.setRawMode(true).on('data', onKey)
  stdout.write(terminal.enter)
  return () => {
    stdout.write(terminal.leave)
    if (keys) stdin.off('data', onKey).setRawMode(false).pause()
  }
}
