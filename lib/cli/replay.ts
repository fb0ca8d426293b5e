import { statSync } from 'node:fs'
import type { Replayed, ReplayOptions } from '../api.js'
import { loadMesh } from '../mesh/yaml.js'
import { loadAddon } from '../native.js'
import { replay as replayCaptures } from '../proxy/replay.js'
import { paint, print, wholeNumber, type Command, type Values } from './command.js'
import { UsageError } from './exit.js'
import { printFlows, printFlowsJson } from './flow-lines.js'
import { bar } from './progress.js'
import { count, table } from './table.js'

export const replay: Command = {
  name: 'replay',
  usage: 'replay MESH --in PORT=CAPTURE ... [--out PORT=CAPTURE ...] [--seed N] [--fill] [--flows] [--json]',
  summary: 'what a mesh makes of captured traffic: by reason, by policy, flow by flow',
  help: `Carries captures through a mesh as a proxy would that has just been started with it, in the captures' own time, as
fast as it goes. No port is opened, and no privilege is needed.

Options
  --in PORT=CAPTURE   what comes by a port of the mesh: pcap or pcapng. Once for each port
  --out PORT=CAPTURE  writes what leaves by a port: pcapng where the path ends so, else pcap
  --seed N            of all that is random otherwise. Default: 0
  --fill              take packets that a capture holds only in part (tcpdump -s), if their headers are there
  --flows             list the flows as well, in the order in which they ended
  --json              as JSON: one object with packets, reasons and policies; flows on lines of their own before it

Examples
  flatproxy replay mesh.yaml --in uplink=monday.pcapng
  flatproxy replay mesh.yaml --in uplink=monday.pcapng --flows --json | jq 'select(.verdict == "drop")'

Exit codes: 0 whatever becomes of the packets, 1 a capture is broken, 3 the mesh has problems.`,
  options: {
    in: { type: 'string', multiple: true },
    out: { type: 'string', multiple: true },
    seed: { type: 'string' },
    fill: { type: 'boolean' },
    flows: { type: 'boolean' },
    json: { type: 'boolean' },
  },
  positionals: 1,
  async run(values, [file]) {
    const inputs = capturesOf(values, 'in')
    if (Object.keys(inputs).length === 0) throw new UsageError('--in is missing', 'replay')
    const seed = wholeNumber(values, 'seed', [0, Number.MAX_SAFE_INTEGER], 'replay')
    const progress = bar(sizeOf(inputs))
    const options: ReplayOptions = {
      mesh: await loadMesh(file!),
      inputs,
      outputs: capturesOf(values, 'out'),
      ...(seed !== undefined && { seed }),
      ...(values['fill'] === true && { snapped: 'fill' as const }),
      ...(progress && { onProgress: ({ bytes, packets }) => progress.show(bytes, `${count(packets)} packets`) }),
    }
    const replayed = await replayCaptures(options).finally(() => progress?.clear())
    if (values['flows']) await (values['json'] ? printFlowsJson : printFlows)(replayed.flows())
    if (values['json']) printJson(replayed)
    else printTables(replayed)
    return 'ok'
  },
}

function capturesOf(values: Values, name: 'in' | 'out'): Record<string, string> {
  const given = (values[name] ?? []) as unknown as readonly string[]
  const captures: Record<string, string> = Object.create(null) as Record<string, string>
  for (const text of given) {
    const [, port, path] = /^([^=]+)=(.+)$/s.exec(text) ?? []
    if (port === undefined || path === undefined)
      throw new UsageError(`--${name} is PORT=CAPTURE, not '${text}'`, 'replay')
    if (port in captures) throw new UsageError(`--${name} is given twice for port ${port}`, 'replay')
    captures[port] = path
  }
  return { ...captures }
}

/** Bytes of all captures; of what is no file nothing is known. */
function sizeOf(inputs: Record<string, string>): number {
  return Object.values(inputs).reduce((sum, path) => sum + (statSync(path, { throwIfNoEntry: false })?.size ?? 0), 0)
}

function printJson({ packets, snapped, flowCount, reasons, policies }: Replayed): void {
  print(JSON.stringify({ packets, snapped, flowCount, reasons, policies }))
}

function printTables({ packets, snapped, flowCount, reasons, policies }: Replayed): void {
  const verdicts = new Map(loadAddon().reasons.map(({ name, verdict }) => [name, verdict]))
  const held = snapped > 0 ? `, ${count(snapped)} held in part` : ''
  const [reasonTitles, ...reasonRows] = table(Object.entries(reasons), [
    { head: 'REASON', cell: ([name]) => name },
    { head: 'VERDICT', cell: ([name]) => verdicts.get(name) ?? '' },
    { head: 'PACKETS', cell: ([, number]) => count(number), right: true },
  ])
  print(`${count(packets)} packets, ${count(flowCount)} flows${held}`, '', paint.bold(reasonTitles!), ...reasonRows)
  if (Object.keys(policies).length === 0) return
  const [policyTitles, ...policyRows] = table(Object.entries(policies), [
    { head: 'POLICY', cell: ([name]) => name },
    { head: 'PACKETS', cell: ([, { packets }]) => count(packets), right: true },
    { head: 'FLOWS', cell: ([, { flows }]) => count(flows), right: true },
  ])
  print('', paint.bold(policyTitles!), ...policyRows)
}
