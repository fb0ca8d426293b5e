import { open } from 'node:fs/promises'
import type { CaptureOptions, PacketCapture } from '../api.js'
import { connectControl } from '../control/client.js'
import { FlatProxyError } from '../errors.js'
import { parseDuration, type Duration } from '../mesh/duration.js'
import { oneOf, wholeNumber, type Command, type Values } from './command.js'
import { controlHelp, controlOption, controlPath } from './control-path.js'
import { UsageError } from './exit.js'
import { bar } from './progress.js'
import { count } from './table.js'

const verdicts = ['forward', 'answer', 'terminate', 'drop', 'reject'] as const

export const capture: Command = {
  name: 'capture',
  usage: 'capture [--filter FILTER] [--verdict NAME] [--on PORT ...] [-o FILE]',
  summary: 'packets of a proxy that runs, as pcapng, each with its verdict',
  help: `Writes packets as they come in, each with how it ended as its comment: "forwarded, exit uplink", "dropped: policy_denied
by policy web". Ends with --duration or --limit, or by Ctrl-C. What was wanted and is missing, because the file or pipe was
too slow, is counted at the end and in the capture's statistics; the proxy never waits.

Options
${controlHelp}
  -o, --output FILE  writes to a file, which nobody else may read; -: to standard output. Default: standard output,
                     if that is no terminal
  --filter FILTER    in tcpdump's language (man pcap-filter); libpcap must be installed where the proxy runs
  --verdict NAME     packets that end so: ${verdicts.join(', ')}
  --on PORT          packets that come by this port of the mesh; may be given several times. Default: all
  --snap-length N    bytes of each packet, at most. Default: all
  --duration D       ends after so long: 10s, 5m
  --limit N          ends after so many packets

Examples
  flatproxy capture --verdict drop -o drops.pcapng
  flatproxy capture --filter 'tcp port 80' --on uplink | wireshark -k -i -
  flatproxy capture --filter 'host 10.0.1.11' --limit 10 | tcpdump -r -

Exit codes: 0, 1 a filter or port is wrong, 4 libpcap is not installed, 5 no proxy answers at the control socket.`,
  options: {
    ...controlOption,
    output: { type: 'string', short: 'o' },
    ...Object.fromEntries(
      ['filter', 'verdict', 'snap-length', 'duration', 'limit'].map((name) => [name, { type: 'string' as const }]),
    ),
    on: { type: 'string', multiple: true },
  },
  positionals: 0,
  async run(values) {
    const options = optionsOf(values)
    const path = values['output'] ?? '-'
    if (path === '-' && values['output'] === undefined && process.stdout.isTTY === true)
      throw new UsageError('a capture is no text for a terminal: give -o FILE, or pipe it on', 'capture')
    const stop = new AbortController()
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
    await using view = await connectControl(controlPath(values), { signal: stop.signal })
    const captured = view.capture({ ...options, signal: stop.signal })
    try {
      if (path === '-') await toStandardOutput(captured)
      else await toFile(captured, String(path))
    } catch (error) {
      if (!stop.signal.aborted) throw error
    }
    const { packets, lost } = captured
    process.stderr.write(`${count(packets)} packet${packets === 1 ? '' : 's'} captured, ${count(lost)} lost\n`)
    return 'ok'
  },
}

function optionsOf(values: Values): CaptureOptions {
  const { filter, duration } = values
  const verdict = oneOf(values, 'verdict', verdicts, 'capture')
  const snapLength = wholeNumber(values, 'snap-length', [1, 262_144], 'capture')
  const limit = wholeNumber(values, 'limit', [1, Number.MAX_SAFE_INTEGER], 'capture')
  if (duration !== undefined && parseDuration(duration) === undefined)
    throw new UsageError(`--duration is a duration such as 10s or 5m, not '${String(duration)}'`, 'capture')
  return {
    ...(typeof filter === 'string' && { filter }),
    ...(verdict && { verdict }),
    ...(values['on'] !== undefined && { ports: values['on'] as unknown as string[] }),
    ...(snapLength !== undefined && { snapLength }),
    ...(limit !== undefined && { limit }),
    ...(duration !== undefined && { duration: duration as Duration }),
  }
}

/** Whole parts only: the capture can be read when it was cut short. */
async function toStandardOutput(captured: PacketCapture): Promise<void> {
  for await (const bytes of captured)
    await new Promise<void>((resolve, reject) => {
      process.stdout.write(bytes, (error) => (error ? reject(error) : resolve()))
    })
}

async function toFile(captured: PacketCapture, path: string): Promise<void> {
  // Nothing is overwritten by a capture that does not begin.
  const first = await captured.next()
  if (first.done) return
  const file = await open(path, 'w', 0o600).catch((error: Error) => {
    const message = `the capture ${path} cannot be written: ${error.message}`
    throw new FlatProxyError('ERR_FLATPROXY_FILE', message, { remedy: 'Check the path and its permissions.' })
  })
  const progress = bar(0)
  const show = () => progress?.show(0, `${count(captured.packets)} packets, ${count(captured.lost)} lost`)
  const timer = setInterval(show, 200)
  try {
    await file.appendFile(first.value)
    for await (const bytes of captured) await file.appendFile(bytes)
  } finally {
    clearInterval(timer)
    progress?.clear()
    await captured.return?.()
    await file.close()
  }
}
