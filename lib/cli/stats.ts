import { setTimeout as sleep } from 'node:timers/promises'
import type { Stats, View } from '../api.js'
import { connectControl } from '../control/client.js'
import { openMetrics } from '../metrics.js'
import { paint, print, type Command, type Values } from './command.js'
import { controlHelp, controlOption, controlPath } from './control-path.js'
import { UsageError } from './exit.js'
import { statsLines } from './stats-lines.js'

export const stats: Command = {
  name: 'stats',
  usage: 'stats [--control PATH] [--watch] [--json | --openmetrics]',
  summary: 'the counters of a proxy that runs',
  help: `Ports, services, listeners, routes, endpoints, reasons and lanes, counted since the proxy started. A packet is a segment as it is on the wire: a 64 KB
frame counts as many.

Options
${controlHelp}
  --watch          every second, with rates, until Ctrl-C
  --json           as JSON, one object a line
  --openmetrics    as OpenMetrics text, for Prometheus

Examples
  flatproxy stats
  flatproxy stats --watch
  flatproxy stats --json | jq .reasons

Exit codes: 0, 5 no proxy answers at the control socket.`,
  options: {
    ...controlOption,
    watch: { type: 'boolean' },
    json: { type: 'boolean' },
    openmetrics: { type: 'boolean' },
  },
  positionals: 0,
  async run(values) {
    if (values['json'] && values['openmetrics']) throw new UsageError('--json or --openmetrics, not both', 'stats')
    await using view = await connectControl(controlPath(values))
    if (values['watch']) await watch(view, values)
    else show(await view.stats(), undefined, values)
    return 'ok'
  },
}

async function watch(view: View, values: Values): Promise<void> {
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort())
  let before: Stats | undefined
  try {
    for (;;) {
      const now = await view.stats({ signal: stop.signal })
      if (paint.on && !values['json'] && !values['openmetrics']) process.stdout.write('\x1b[H\x1b[J')
      show(now, before, values)
      before = now
      await sleep(1_000, undefined, { signal: stop.signal })
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error
  }
}

function show(now: Stats, before: Stats | undefined, values: Values): void {
  if (values['json']) print(JSON.stringify(now))
  else if (values['openmetrics']) process.stdout.write(openMetrics(now))
  else print(...statsLines(now, before, paint))
}
