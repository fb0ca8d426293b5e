import type { StartOptions } from '../api.js'
import { FlatProxyError, MeshError, UnsupportedError } from '../errors.js'
import { parseDuration } from '../mesh/duration.js'
import { loadMesh } from '../mesh/yaml.js'
import { oneOf, paint, print, type Command, type Values } from './command.js'
import { controlHelp, controlOption, controlPath } from './control-path.js'
import { describeMesh } from './describe-mesh.js'
import { exitCodes, UsageError, type Exit } from './exit.js'
import { startProxy, type Proxy } from './library.js'
import { painter } from './paint.js'
import { explainError } from './problems.js'

export const run: Command = {
  name: 'run',
  usage: 'run MESH [--lanes N] [--poll busy] [--control PATH]',
  summary: 'carry the traffic of a mesh until it is stopped',
  help: `Opens the ports of a mesh and carries their traffic.

  SIGHUP           reads MESH again and applies it; a mesh with problems is reported, and changes nothing
  SIGTERM, SIGINT  drains: new flows are refused, running ones may end; a second one ends at once

Options
  --lanes N        so many lanes (1 to 64), each a thread; or their cores: --lanes 2,3. Default: 1
  --poll busy      lanes never sleep: the lowest latency, at the price of a core each
  --drain TIME     how long running flows may go on after SIGTERM. Default: 10s
${controlHelp}
  --no-control     no control socket: neither \`flatproxy stats\` nor \`flatproxy flows\`

Examples
  flatproxy run mesh.yaml
  flatproxy run mesh.yaml --lanes 2,3 --poll busy
  kill -HUP $PID       # MESH was edited

Exit codes: 0 stopped, 1 a port or lane was lost, 2 wrong arguments, 3 the mesh has problems, 4 cannot start.`,
  options: {
    ...controlOption,
    'no-control': { type: 'boolean' },
    lanes: { type: 'string' },
    poll: { type: 'string' },
    drain: { type: 'string' },
  },
  positionals: 1,
  async run(values, [file]) {
    const options = startOptions(values)
    const drain = drainTime(values)
    const mesh = await loadMesh(file!)
    const proxy = await start({ ...options, mesh } as StartOptions<string, string, string>)
    if (!proxy) return 'start'
    const control = options.control === false ? 'no control socket' : `control socket ${options.control}`
    print(`${paint.green('running')} ${file}: ${describeMesh(mesh)}; ${control}; process ${process.pid}`)
    return serve(proxy, file!, drain)
  },
}

function startOptions(values: Values) {
  const poll = oneOf(values, 'poll', ['adaptive', 'busy'], 'run')
  const lanes = lanesOf(values)
  return {
    control: values['no-control'] ? (false as const) : controlPath(values),
    ...(poll && { poll }),
    ...(lanes !== undefined && { lanes }),
  }
}

function lanesOf({ lanes: text }: Values): number | number[] | undefined {
  if (typeof text !== 'string') return undefined
  if (!/^[0-9]{1,4}(,[0-9]{1,4})*,?$/.test(text))
    throw new UsageError(`--lanes is a number of lanes, or a list of cores such as 2,3; not '${text}'`, 'run')
  return text.includes(',') ? text.split(',').filter(Boolean).map(Number) : Number(text)
}

function drainTime({ drain = '10s' }: Values): number {
  const text = String(drain)
  const time = parseDuration(/^[0-9]+$/.test(text) ? Number(text) : text)
  if (time === undefined) throw new UsageError(`--drain is a time such as 10s or 500ms, not '${text}'`, 'run')
  return time
}

/** Starts; undefined: it could not, and that is told. A taken control socket is such a reason too. */
async function start(options: StartOptions<string, string, string>): Promise<Proxy | undefined> {
  try {
    return await startProxy(options)
  } catch (error) {
    if (!(error instanceof FlatProxyError) || error.code !== 'ERR_FLATPROXY_CONTROL') throw error
    complain(error)
    return undefined
  }
}

/** Until the proxy is closed: by a signal, or because it lost a port. */
async function serve(proxy: Proxy, file: string, drain: number): Promise<Exit> {
  let stopping = false
  const stop = (signal: NodeJS.Signals) => {
    // Who asks twice is in a hurry.
    if (stopping) process.exit(exitCodes.interrupted[0])
    stopping = true
    print(`${paint.yellow(signal)}: refusing new flows; running ones may go on for ${drain / 1000} s`)
    proxy.close({ drain }).catch(complain)
  }
  const reread = () => void reload(proxy, file).catch(complain)
  process.on('SIGTERM', stop).on('SIGINT', stop).on('SIGHUP', reread)
  try {
    await proxy.closed
    print('stopped')
    return 'ok'
  } finally {
    process.off('SIGHUP', reread)
  }
}

async function reload(proxy: Proxy, file: string): Promise<void> {
  try {
    const { generation, changes } = await proxy.apply(await loadMesh(file))
    print(`${paint.green('applied')} ${file} as generation ${generation}: ${changes.length === 0 ? 'no change' : ''}`)
    for (const change of changes.slice(0, mostChanges)) print(`  ${change.toString()}`)
    if (changes.length > mostChanges) print(`  and ${changes.length - mostChanges} more changes`)
  } catch (error) {
    complain(error)
    const refused = error instanceof MeshError || error instanceof UnsupportedError
    if (refused || error instanceof FlatProxyError)
      print(`${file} is not applied; generation ${proxy.generation} goes on`)
  }
}

const mostChanges = 20

function complain(error: unknown): void {
  process.stderr.write(`${explainError(error, painter(process.stderr))}\n`)
}
