import { FlatProxyError, MeshError, UnsupportedError } from '../errors.js'
import { parseDuration } from '../mesh/duration.js'
import type { Mesh } from '../mesh/types.js'
import { loadMesh } from '../mesh/yaml.js'
import { FlatProxy } from '../proxy/flat-proxy.js'
import { adminAddress, openAdmin, type Admin, type AdminAddress } from './admin.js'
import { oneOf, paint, print, type Command, type Values } from './command.js'
import { controlHelp, controlOption, controlPath } from './control-path.js'
import { describeMesh } from './describe-mesh.js'
import { UsageError, type Exit } from './exit.js'
import { painter } from './paint.js'
import { explainError } from './problems.js'
import { Readiness } from './readiness.js'

export const run: Command = {
  name: 'run',
  usage: 'run MESH [--lanes N] [--poll busy] [--control PATH] [--admin ADDR]',
  summary: 'carry the traffic of a mesh until it is stopped',
  help: `Opens the ports of a mesh and carries their traffic.

  SIGHUP           reads MESH again and applies it; a mesh with problems is reported, and changes nothing
  SIGUSR2          opens the access log anew, after its file was moved away
  SIGTERM, SIGINT  drains: new flows are refused, running ones may end; a second one ends at once

Options
  --lanes N        so many lanes (1 to 64), each a thread; or their cores: --lanes 2,3. Default: 1
  --poll busy      lanes never sleep: the lowest latency, at the price of a core each
  --drain TIME     how long running flows may go on after SIGTERM. Default: 10s
${controlHelp}
  --no-control     no control socket: neither \`flatproxy stats\` nor \`flatproxy flows\`
  --admin ADDR     an HTTP server at host:port, [v6]:port or :port (of 127.0.0.1): GET /metrics has the counters as
                   OpenMetrics, GET /ready says 200, or 503 with the reason. Default: none

Examples
  flatproxy run mesh.yaml
  flatproxy run mesh.yaml --lanes 2,3 --poll busy
  flatproxy run mesh.yaml --admin :9090    # for Prometheus and probes
  kill -HUP $PID       # MESH was edited

Exit codes: 0 stopped, 1 failed, 2 wrong arguments, 3 the mesh has problems, 4 cannot start.`,
  options: {
    ...controlOption,
    'no-control': { type: 'boolean' },
    lanes: { type: 'string' },
    poll: { type: 'string' },
    drain: { type: 'string' },
    admin: { type: 'string' },
  },
  positionals: 1,
  async run(values, [file]) {
    const options = startOptions(values)
    const drain = drainTime(values)
    const at = values['admin'] === undefined ? undefined : adminAddress(String(values['admin']))
    const mesh = await loadMesh(file!)
    const proxy = await start(mesh, options)
    if (!proxy) return 'start'
    const ready = new Readiness(proxy)
    void watchPorts(proxy, ready).catch(complain)
    const admin = await tell(at, proxy, ready)
    const control = options.control === false ? 'no control socket' : `control socket ${options.control}`
    const parts = [describeMesh(mesh), control, ...(admin ? [`admin ${admin.address}`] : []), `process ${process.pid}`]
    const exit = await serve(proxy, ready, file!, drain, parts.join('; '))
    await admin?.close()
    return exit
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
async function start(mesh: Mesh, options: ReturnType<typeof startOptions>): Promise<FlatProxy | undefined> {
  try {
    return await FlatProxy.start({ mesh, ...options })
  } catch (error) {
    if (!(error instanceof FlatProxyError) || error.code !== 'ERR_FLATPROXY_CONTROL') throw error
    complain(error)
    return undefined
  }
}

/** Opens what `--admin` asks for; where that cannot be, the proxy does not go on. */
async function tell(at: AdminAddress | undefined, proxy: FlatProxy, ready: Readiness): Promise<Admin | undefined> {
  if (!at) return undefined
  try {
    return await openAdmin(at, proxy, ready)
  } catch (error) {
    await proxy.close()
    throw error
  }
}

/** Until a signal ends it. A port that is lost is told, and the others go on. */
async function serve(proxy: FlatProxy, ready: Readiness, file: string, drain: number, what: string): Promise<Exit> {
  process.on('SIGHUP', () => void reload(proxy, file).catch(complain))
  process.on('SIGUSR2', () => void proxy.reopenLogs().catch(complain))
  const signalled = firstSignal()
  // Who reads this may send signals from now on.
  print(`${paint.green('running')} ${file}: ${what}`)
  const signal = await signalled
  ready.drain()
  print(`${paint.yellow(signal)}: new flows are refused; running ones may go on for ${drain / 1000} s`)
  // Who asks twice is in a hurry.
  void firstSignal().then(() => proxy.close({ drain: 0 }))
  await proxy.close({ drain })
  print('stopped')
  return 'ok'
}

function firstSignal(): Promise<NodeJS.Signals> {
  return new Promise((done) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, done)
  })
}

async function watchPorts(proxy: FlatProxy, ready: Readiness): Promise<void> {
  for await (const { events } of proxy.events({ types: ['port:up', 'port:down'] }))
    for (const event of events) {
      ready.tell(event)
      if (event.type === 'port:up') print(`${paint.green('port up')} ${event.port}`)
      else print(`${paint.red('port down')} ${event.port}: ${event.reason}`)
    }
}

async function reload(proxy: FlatProxy, file: string): Promise<void> {
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
