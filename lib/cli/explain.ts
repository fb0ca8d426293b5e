import type { Explanation, Frame, Tuple } from '../api.js'
import { connectControl } from '../control/client.js'
import { loadMesh } from '../mesh/yaml.js'
import { explain as explainOffline } from '../proxy/offline.js'
import { roceClasses } from '../roce.js'
import { oneOf, paint, print, type Command, type Values } from './command.js'
import { controlHelp, controlOption, controlPath } from './control-path.js'
import { UsageError } from './exit.js'
import { hexBytes } from './hex.js'
import { table } from './table.js'

const protocols = ['tcp', 'udp', 'icmp', 'roce'] as const
/** The options that make a tuple, beside --on. */
const ofTuple = ['protocol', 'from', 'to', 'qp', 'opcode', 'vlan', 'host', 'method', 'path', 'header'] as const

export const explain: Command = {
  name: 'explain',
  usage:
    'explain [MESH] --on PORT (--protocol NAME --from ADDR:PORT --to ADDR:PORT | --frame HEX) [--control PATH] [--json]',
  summary: 'what becomes of a packet, step by step, and why',
  help: `Says what becomes of the first packet of a flow, and why: which port, source check, service, endpoint, policy and
exit. Or of a frame, with all that counts when it comes by a port: MACs, lengths, checksums, TCP flags, size. With MESH in a proxy that has just been started with it: nothing is opened, and no privilege is needed. Without MESH
in the proxy that runs, as its flows and endpoints are now; nothing changes by it.

Options
  --on PORT        the port of the mesh that the packet comes in by; host: from the node itself
  --protocol NAME  tcp, udp, icmp or roce. Default: tcp
  --from ADDR:PORT its source; an IPv6 address in brackets; of icmp and roce the address alone
  --to ADDR:PORT   its destination, likewise
  --qp N           of roce: the destination's queue pair. Default: 0
  --opcode CLASS   of roce: ${roceClasses.join(', ')}. Default: send
  --vlan ID        of what comes by a joined port: the VLAN that it is tagged for. Default: 0, none
  --host NAME      of tcp, to a listener of protocol http: the host of a request that comes over the connection
  --method NAME    its method. Default: GET
  --path PATH      its path, with a query if it has one. Default: /
  --header TEXT    a field of it, "name: value"; may be repeated
  --frame HEX      in place of all these but --on: a whole Ethernet frame; spaces and colons between bytes may stand
${controlHelp}
  --json           as JSON

Examples
  flatproxy explain mesh.yaml --on uplink --from 203.0.113.9:40000 --to 10.96.0.10:80
  flatproxy explain --on uplink --protocol icmp --from 203.0.113.9 --to 10.0.1.11
  flatproxy explain mesh.yaml --on uplink --from 203.0.113.9:40000 --to 192.0.2.1:80 --host shop.example --path /cart
  flatproxy explain mesh.yaml --on uplink --frame "$(xxd -p -c0 frame.bin)"
  flatproxy explain --on gpu0 --protocol roce --from 10.1.0.2 --to 10.1.1.2 --qp 17 --opcode write

Exit codes: 0 whatever becomes of the packet, 3 the mesh has problems, 5 no proxy answers at the control socket.`,
  options: {
    ...controlOption,
    ...Object.fromEntries(['on', 'frame', ...ofTuple].map((name) => [name, { type: 'string' as const }])),
    header: { type: 'string', multiple: true },
    json: { type: 'boolean' },
  },
  positionals: [0, 1],
  async run(values, [file]) {
    const input = typeof values['frame'] === 'string' ? frameOf(values, values['frame']) : tupleOf(values)
    const explanation = file === undefined ? await explainLive(values, input) : await explainFile(file, values, input)
    if (values['json']) print(JSON.stringify(explanation))
    else printSteps(explanation)
    return 'ok'
  },
}

function needed(values: Values, name: string): string {
  const value = values[name]
  if (typeof value !== 'string') throw new UsageError(`--${name} is missing`, 'explain')
  return value
}

function frameOf(values: Values, hex: string): Frame {
  for (const name of ofTuple)
    if (values[name] !== undefined) throw new UsageError(`--${name} does not go with --frame`, 'explain')
  return { on: needed(values, 'on'), frame: hexBytes('frame', hex, 'explain') }
}

function tupleOf(values: Values): Tuple {
  const [on, from, to] = ['on', 'from', 'to'].map((name) => needed(values, name))
  const protocol = oneOf(values, 'protocol', protocols, 'explain') ?? 'tcp'
  const opcode = oneOf(values, 'opcode', roceClasses, 'explain')
  const { qp, vlan } = values
  const http = requestOf(values)
  return {
    on: on!,
    protocol,
    from: from!,
    to: to!,
    ...(opcode !== undefined && { opcode }),
    ...(typeof qp === 'string' && { qp: Number(qp) }),
    ...(typeof vlan === 'string' && { vlan: Number(vlan) }),
    ...(http && { http }),
  }
}

/** Nothing: only the connection is asked about. */
function requestOf(values: Values): Tuple['http'] {
  const [host, method, path] = ['host', 'method', 'path'].map((name) => values[name])
  const lines = (values['header'] ?? []) as unknown as readonly string[]
  if (host === undefined && method === undefined && path === undefined && lines.length === 0) return undefined
  const headers = Object.fromEntries(
    lines.map((line) => {
      const [, name, value = ''] = /^([^:]+):\s*(.*)$/.exec(line) ?? []
      if (name === undefined) throw new UsageError(`--header is "name: value", not '${line}'`, 'explain')
      return [name, value]
    }),
  )
  return {
    ...(typeof host === 'string' && { host }),
    ...(typeof method === 'string' && { method }),
    ...(typeof path === 'string' && { path }),
    ...(lines.length > 0 && { headers }),
  }
}

async function explainFile(file: string, values: Values, input: Tuple | Frame): Promise<Explanation> {
  if (values['control'] !== undefined) throw new UsageError('either MESH or --control is given, not both', 'explain')
  return explainOffline(await loadMesh(file), input)
}

async function explainLive(values: Values, input: Tuple | Frame): Promise<Explanation> {
  await using view = await connectControl(controlPath(values))
  return await view.explain(input)
}

/** What is decided first, then how. */
function printSteps(explanation: Explanation): void {
  const passes = explanation.verdict === 'forward' || explanation.verdict === 'terminate'
  const [head] = explanation.toString().split('\n')
  const [titles, ...rows] = table(explanation.steps, [
    { head: 'STEP', cell: ({ stage }) => stage },
    { head: 'OF', cell: ({ object }) => object },
    { head: 'OUTCOME', cell: ({ outcome }) => outcome },
    { head: 'WHY', cell: ({ why }) => why },
  ])
  print((passes ? paint.green : paint.red)(head!), '', paint.bold(titles!), ...rows)
}
